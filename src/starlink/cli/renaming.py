"""A change of a server's name: what lives under the old one would be left to nobody, so it is moved away first."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT
from starlink.api.labels import GONE_ANNOTATION
from starlink.cli.datadir import DataDir
from starlink.cli.datadir import command as command_of
from starlink.cli.hints import Command
from starlink.client.kube import Client
from starlink_nodeagent.layout import INSTANCES

_MOST_SHOWN = 3


class NotRenamed(Exception):
    """The message says what would happen, and how it is done."""


@dataclass(frozen=True, slots=True)
class WayOut:
    """How a server is renamed: `stay` says how it goes on under its old name, `starlink` gives a command for the API
    server that knows it, `kubectl` is one for the same, and `stop` and `start` are said of the new name."""

    stay: str
    kubectl: str
    starlink: Command
    stop: str
    start: str


def of_up(data: DataDir, new: str) -> WayOut:
    """That of the server that `up` runs."""
    return WayOut(
        f"`{data.command('up --detach')}` goes on under the old name",
        f"kubectl --kubeconfig {shlex.quote(str(data.admin_kubeconfig))}",
        data.command,
        f"`{data.command('down')}`",
        f"`{data.command(f'up --detach --name {new}')}`",
    )


def of_agent(folder: Path, new: str) -> WayOut:
    """That of an agent, which knows no way to the API server but its own."""
    return WayOut(
        "the kubeconfig of the old name goes on as it",
        "kubectl",
        "starlink {}".format,
        f"`{command_of(folder, 'down')}` here",
        f"the agent with the kubeconfig of {new} again",
    )


def check_journal(old: str, new: str, agent: Path, way_out: WayOut) -> None:
    """`agent` is the agent's data directory. Raises NotRenamed while its journal has instances that are not over."""
    if old and old != new:
        _refuse(old, new, _in_journal(agent / INSTANCES), way_out)


async def check_api(client: Client, old: str, new: str, way_out: WayOut) -> None:
    """Raises NotRenamed while Assignments of the old name are not over, ClientError."""
    if not old or old == new:
        return
    found = await client.list(ASSIGNMENT, field_selector=f"spec.server={old}")
    assignments = [msgspec.json.decode(raw, type=Assignment) for raw in found.items]
    _refuse(old, new, [str(assignment.key) for assignment in assignments if not assignment.finished], way_out)


def _in_journal(folder: Path) -> Sequence[str]:
    from starlink_nodeagent.journal.journal import Journal

    if not folder.is_dir():
        return []
    journal = Journal(folder)
    loaded = journal.load()
    journal.close()
    return [*(str(record.key) for record in loaded.records if not record.finished), *loaded.unknown]


def _refuse(old: str, new: str, living: Sequence[str], way_out: WayOut) -> None:
    if not living:
        return
    shown = ", ".join(living[:_MOST_SHOWN]) + (", …" if len(living) > _MOST_SHOWN else "")
    one = len(living) == 1
    raise NotRenamed(
        f"--name {new}: this server is {old}, and {len(living)} of its instances {'is' if one else 'are'} here "
        f"({shown}). Under another name nobody would look after {'it' if one else 'them'}, while the API goes on "
        f"saying that {'it runs' if one else 'they run'} on {old}. {way_out.stay}. To rename it, have it given up "
        f"while it runs: `{way_out.kubectl} annotate server {old} {GONE_ANNOTATION}=true`; when "
        f"`{way_out.starlink('get assignments -A')}` shows nothing on {old} any more, {way_out.stop}, and start "
        f"{way_out.start}; then `{way_out.starlink(f'delete server {old}')}`"
    )
