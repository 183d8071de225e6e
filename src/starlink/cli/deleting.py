"""Deletes objects, and waits until they and the processes that belong to them are gone."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
import msgspec

from starlink.api import conditions, labels
from starlink.api.duration import format_seconds
from starlink.api.kinds import ASSIGNMENT, POOL, SERVER, TASK, Kind
from starlink.api.meta import Object, ObjectKey, View
from starlink.backoff import Pauses
from starlink.cli.hints import Command, retold
from starlink.cli.tables import some
from starlink.client.errors import Conflict, Forbidden, NotFound
from starlink.client.kube import Client

STILL_THERE = 3
"""The exit code when the time is up and something is still there."""
_TRIES = 10
"""While others write the object too."""
_UNHEARD = "Unknown"
_HELD_BY_US = {
    labels.DRAINED_FINALIZER: "its instances move to other servers, or stop, before it goes",
    labels.STOPPED_FINALIZER: "its instance has to stop before it goes",
    labels.IN_USE_FINALIZER: "it goes when no task names it any more and nothing runs on its servers",
}
"""What StarLink's own finalizers wait for, until the operator says it of the very object."""
_PAUSES = Pauses(0.05, 1.0, 1.5)

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Doomed:
    """An object that has been told to go; another of its name is another."""

    kind: Kind
    name: str
    namespace: str
    uid: str

    def __str__(self) -> str:
        return f"{self.kind.kind.lower()} {ObjectKey(self.namespace, self.name)}"


@dataclass(frozen=True, slots=True)
class Wait:
    """What is waited for: `why` in words, and `help_` what a person can do where it would not come of itself. `is_gone`
    is whether the object is no more, but not its processes."""

    why: str
    help_: str = ""
    is_gone: bool = False

    def __str__(self) -> str:
        return f"{self.why}; {self.help_}" if self.help_ else self.why


class _Spec(View, frozen=True):
    server: str = ""


class _Status(View, frozen=True):
    phase: str = ""


class Instance(Object, frozen=True):
    """What a deletion looks at of an Assignment; it may be one of a later version."""

    spec: _Spec = _Spec()
    status: _Status = _Status()


async def begin(client: Client, kind: Kind, name: str, namespace: str, *, force: bool) -> Doomed:
    """Deletes an object; with force also declares a server gone, and releases a pool. A task that is gone, but not its
    instances, counts as begun. Raises ClientError, NotFound when it is not there."""
    try:
        uid = (await client.get(kind, name, namespace))["metadata"]["uid"]
    except NotFound:
        left = await _instances(client, name, namespace) if kind.plural == TASK.plural else ()
        if not left:
            raise
        return Doomed(kind, name, namespace, left[0].metadata.controller_uid)
    if force and kind.plural == SERVER.plural:
        await client.patch(kind, name, {"metadata": {"uid": uid, "annotations": {labels.GONE_ANNOTATION: "true"}}})
    with contextlib.suppress(NotFound):
        await client.delete(kind, name, namespace, uid=uid)
    if force and kind.plural == POOL.plural:
        await _release(client, kind, name)
    return Doomed(kind, name, namespace, uid)


async def _release(client: Client, kind: Kind, name: str) -> None:
    """Takes away what holds a pool that is in use."""
    for _ in range(_TRIES):
        with contextlib.suppress(NotFound, Conflict):
            metadata = (await client.get(kind, name))["metadata"]
            left = [one for one in metadata.get("finalizers", ()) if one != labels.IN_USE_FINALIZER]
            only_so = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
            await client.patch(kind, name, {"metadata": {**only_so, "finalizers": left or None}})
            return


async def until_gone(client: Client, doomed: Doomed, command: Command) -> None:
    """Waits, and says on standard error what for, when that is another than before. Raises ClientError."""
    looks, told = 0, ""
    while (wait := await look(client, doomed, command)) is not None:
        kind_of_wait = wait.help_ or wait.why.lstrip("0123456789 ")
        if str(wait) and kind_of_wait != told and looks:
            told = kind_of_wait
            click.echo(f"{doomed}: {wait}", err=True)
        looks += 1
        await asyncio.sleep(_PAUSES.after(looks))


async def look(client: Client, doomed: Doomed, command: Command) -> Wait | None:
    """What keeps it; None when it is gone, and its processes are. Raises ClientError."""
    try:
        found = await client.get(doomed.kind, doomed.name, doomed.namespace)
    except NotFound:
        found = None
    if found is not None and found["metadata"]["uid"] == doomed.uid:
        on_it = await _on_server(client, doomed)
        return of_object(doomed.kind, found, command) if on_it is None else of_server(found, on_it, command)
    return await _of_processes(client, doomed, command) if doomed.kind.plural == TASK.plural else None


async def _of_processes(client: Client, doomed: Doomed, command: Command) -> Wait | None:
    """What a task that is gone has left: its assignments go when their agents have stopped them."""
    try:
        found = await _instances(client, doomed.name, doomed.namespace)
    except Forbidden:
        click.echo(f"{doomed}: you may not read assignments, so that its processes are not waited for", err=True)
        return None
    return of_assignments([one for one in found if one.metadata.controller_uid == doomed.uid], command)


async def _instances(client: Client, task: str, namespace: str) -> Sequence[Instance]:
    items = (await client.list(ASSIGNMENT, namespace, label_selector=f"{labels.TASK}={task}")).items
    return [msgspec.json.decode(item, type=Instance) for item in items]


async def _on_server(client: Client, doomed: Doomed) -> Sequence[Instance] | None:
    """The instances that are left on a server; None when they may not be listed, or the object is no server."""
    if doomed.kind.plural != SERVER.plural:
        return None
    with contextlib.suppress(Forbidden):
        items = (await client.list(ASSIGNMENT, field_selector=f"spec.server={doomed.name}")).items
        return [msgspec.json.decode(item, type=Instance) for item in items]
    return None


def of_server(found: Obj, on_it: Sequence[Instance], command: Command) -> Wait:
    """What a server waits for that is being deleted: the operator's words, and until it has some the instances that
    are left on it. Pure."""
    if not on_it or _own_words(SERVER, found):
        return of_object(SERVER, found, command)
    names = some((one.name for one in on_it), 3)
    several = "instance moves" if len(on_it) == 1 else "instances move"
    silent = any(one.status.phase == _UNHEARD for one in on_it)
    why = f"{len(on_it)} {several} to other servers, or stop{'s' * (len(on_it) == 1)}, before it goes: {names}"
    return Wait(why, _silent([found["metadata"]["name"]], command) if silent else "")


def of_assignments(found: Sequence[Instance], command: Command) -> Wait | None:
    """What the instances that are left wait for; None when none are. Pure."""
    if not found:
        return None
    several = "instance has" if len(found) == 1 else "instances have"
    why = f"{len(found)} {several} not stopped yet: {some((f'{one.name} on {one.spec.server}' for one in found), 3)}"
    silent = sorted({one.spec.server for one in found if one.status.phase == _UNHEARD})
    return Wait(why, _silent(silent, command) if silent else "", is_gone=True)


def _silent(servers: Sequence[str], command: Command) -> str:
    one = len(servers) == 1
    declared = command(f"delete server {' '.join(servers)} --force")
    return (
        f"{some(servers)} {'is' if one else 'are'} not heard: start the agent there again, or say that "
        f"{'it is' if one else 'they are'} gone for good with `{declared}`"
    )


def still_there(doomed: Doomed, wait: Wait, seconds: float) -> str:
    """What is left of a deletion when its time is up: the object, or of a task that is gone its processes. Pure."""
    time = format_seconds(seconds)
    return f"{doomed} is gone; after {time} {wait}" if wait.is_gone else f"{doomed} is still there after {time}: {wait}"


def leaving(kind: Kind, found: Obj) -> str:
    """Of an object that is being deleted that it is, and what holds it, with commands as the API says them; "" of
    another. Pure."""
    if not found["metadata"].get("deletionTimestamp"):
        return ""
    held = _holders(found)
    told = _own_words(kind, found) or f"it is being deleted{f': {held}' if held else ''}"
    return f"{told}; applying it does not undo that: apply it again when it is gone"


def _own_words(kind: Kind, found: Obj) -> str:
    """What the Ready condition says of a deletion and of what holds it."""
    ready = conditions.find(conditions.readable(found), conditions.READY)
    told = ready is not None and ready.reason in ("Draining", "Terminating")
    return ready.message if ready is not None and told and kind.plural in (POOL.plural, SERVER.plural) else ""


def _holders(found: Obj) -> str:
    """What an object that is going waits for: StarLink's own finalizers in words, others' by name; "" for none. A
    namespace has some in its spec, and what others call so there may be anything."""
    spec = found.get("spec")
    own = spec.get("finalizers") if isinstance(spec, dict) else None
    held = [*map(str, found["metadata"].get("finalizers", ())), *map(str, own if isinstance(own, list) else ())]
    others = [one for one in held if one not in _HELD_BY_US]
    known = [words for finalizer, words in _HELD_BY_US.items() if finalizer in held]
    return "; ".join([*known, *([f"held by {some(others)}"] if others else [])])


def of_object(kind: Kind, found: Obj, command: Command) -> Wait:
    """What an object that is being deleted waits for, in its own words where it has some. Pure."""
    if told := _own_words(kind, found):
        return Wait(retold(told, command))
    if kind.plural == ASSIGNMENT.plural:
        spec, status = found.get("spec", {}), found.get("status", {})
        server = str(spec.get("server", ""))
        silent = status.get("phase") == _UNHEARD
        return Wait(f"its instance on {server} has not stopped yet", _silent([server], command) if silent else "")
    return Wait(_holders(found) or "it is still there")
