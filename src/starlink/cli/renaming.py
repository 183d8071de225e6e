"""A change of a server's name: what lives under the old one would be left to nobody, so it is moved away first."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT
from starlink.api.labels import GONE_ANNOTATION
from starlink.client.kube import Client

_MOST_SHOWN = 3


class NotRenamed(Exception):
    """The message says what would happen, and how it is done."""


def check_journal(old: str, new: str, agent: Path) -> None:
    """`agent` is the agent's data directory. Raises NotRenamed while its journal has instances that are not over."""
    if old and old != new:
        _refuse(old, new, _in_journal(agent / "instances"))


async def check_api(client: Client, old: str, new: str) -> None:
    """Raises NotRenamed while Assignments of the old name are not over, ClientError."""
    if not old or old == new:
        return
    found = await client.list(ASSIGNMENT, field_selector=f"spec.server={old}")
    assignments = [msgspec.json.decode(raw, type=Assignment) for raw in found.items]
    _refuse(old, new, [str(assignment.key) for assignment in assignments if not assignment.finished])


def _in_journal(folder: Path) -> Sequence[str]:
    from starlink_nodeagent.journal import Journal

    if not folder.is_dir():
        return []
    journal = Journal(folder)
    loaded = journal.load()
    journal.close()
    return [*(str(record.key) for record in loaded.records if not record.finished), *loaded.unknown]


def _refuse(old: str, new: str, living: Sequence[str]) -> None:
    if not living:
        return
    shown = ", ".join(living[:_MOST_SHOWN]) + (", …" if len(living) > _MOST_SHOWN else "")
    raise NotRenamed(
        f"--name {new}: this server is {old}, and {len(living)} of its instances are here ({shown}). Under another "
        f"name nobody would look after them, while the API goes on saying that they run on {old}. Leave --name out to "
        f"go on as {old}. To rename it, have {old} given up while it runs: kubectl annotate server {old} "
        f"{GONE_ANNOTATION}=true; when `kubectl get assignments -A` shows nothing on {old} any more, stop it, and "
        f"start it with --name {new}"
    )
