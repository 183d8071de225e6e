"""Whether what `up` has started stands: no part fails, the operator leads, and this machine's servers are ready."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from starlink.api import conditions
from starlink.api.kinds import LEASE, SERVER
from starlink.api.labels import SERVER_NAMESPACE
from starlink.api.lease import Lease
from starlink.api.server import Server
from starlink.cli.child import Child
from starlink.cli.datadir import NotStarted
from starlink.cli.loglines import last_said
from starlink.client.errors import ClientError, NotFound
from starlink.client.kube import Client
from starlink_operator.leadership import NAME as LEADERSHIP
from starlink_operator.leadership import NAMESPACE as LEADERSHIP_NAMESPACE

_LOOK_SECONDS, _SHARE = 0.05, 20
_OF_PEOPLE = ("DeclaredGone", "Draining")
"""Reasons for a server not to be ready that its agent can't help, and that are mended while StarLink is up."""


@dataclass(frozen=True, slots=True)
class Beat:
    """A Lease as it was last renewed. It tells the living from what was so at the last start."""

    holder: str = ""
    renewed: str = ""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """The name of a server of this machine, and the server's last heartbeat before `up` started the server's agent."""

    name: str
    before: Beat


def pause(waited: float) -> float:
    """Seconds until the next look at what starts, after so many of waiting: the slower the machine, the fewer looks."""
    return max(_LOOK_SECONDS, waited / _SHARE)


async def beat_of_server(client: Client, name: str) -> Beat:
    """The heartbeat of a server's agent. Raises ClientError."""
    return await _beat(client, name, SERVER_NAMESPACE)


async def beat_of_leader(client: Client) -> Beat:
    """The operators' leader. Raises ClientError."""
    return await _beat(client, LEADERSHIP, LEADERSHIP_NAMESPACE)


async def _beat(client: Client, name: str, namespace: str) -> Beat:
    try:
        spec = msgspec.convert(await client.get(LEASE, name, namespace), Lease).spec
    except NotFound:
        return Beat()
    return Beat(spec.holder_identity or "", spec.renew_time or "")


async def wait(
    client: Client, children: Sequence[Child], operator: tuple[str, Beat], servers: Sequence[Newcomer], seconds: float
) -> Sequence[str]:
    """Waits until all stand; gives what a person should know of servers that are not ready all the same. `operator` is
    the identity of this StarLink's operator and the leader before it was started. Raises NotStarted."""
    lacks, notes = "", list[str]()
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        async with asyncio.timeout(seconds):
            while True:
                _demand(children)
                if away := [child for child in children if child.turned_away]:
                    return [f"{child.name} is turned away: {last_said(child.said())}" for child in away]
                try:
                    lacks, notes = await _look(client, operator, servers)
                except ClientError as error:
                    lacks = str(error)
                if not lacks and all(child.pid is not None for child in children):
                    return notes
                await asyncio.sleep(pause(clock() - began))
    except TimeoutError:
        logs = "; ".join(f"the last of {child.log_file}: {last_said(child.said())}" for child in children[1:])
        raise NotStarted(f"after {seconds:g} s {lacks or 'a part is down'}; {logs}") from None


def _demand(children: Sequence[Child]) -> None:
    for child in children:
        if child.fails:
            raise NotStarted(f"{child.name} does not stay up: {last_said(child.said())}; all of it: {child.log_file}")


async def _look(client: Client, operator: tuple[str, Beat], servers: Sequence[Newcomer]) -> tuple[str, list[str]]:
    """What does not stand yet, "" when all does; and the notes."""
    identity, before = operator
    leader = await beat_of_leader(client)
    if not leader.holder or (leader.holder == identity and leader == before):
        return "the operator does not lead yet", []
    notes = []
    for server in servers:
        if await beat_of_server(client, server.name) == server.before:
            return f"the agent of server {server.name} is not heard yet", []
        ready, reason, why = await _readiness(client, server.name)
        if not ready and reason not in _OF_PEOPLE:
            return f"server {server.name} is not ready yet: {why}", []
        notes += [] if ready else [f"server {server.name} is not ready: {why}"]
    return "", notes


async def _readiness(client: Client, name: str) -> tuple[bool, str, str]:
    """Whether a server is ready, the reason and the words for it."""
    try:
        server = msgspec.convert(await client.get(SERVER, name), Server)
    except NotFound:
        return False, "", "there is no such Server"
    found = conditions.find(server.status.conditions, conditions.READY)
    if found is None:
        return False, "", "the operator has not looked at it"
    return found.status == "True", found.reason, found.message
