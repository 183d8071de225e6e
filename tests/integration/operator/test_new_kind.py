"""A kind that comes new: its CRD, its view, its planner and its file of kinds. Nothing else knows of it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import soon
from tests.greeting import kinds as greeting
from tests.greeting.planning import Greeter
from tests.greeting.view import GREETING, GREETINGS
from tests.integration.conftest import Wire, obj_of, task
from tests.integration.operator.test_rights import USER, grant, heard, operator, revoke

from starlink.api.kinds import CRD, EVENT, TASK
from starlink.api.labels import SERVER_NAMESPACE
from starlink.api.meta import ObjectKey
from starlink.client.errors import Conflict, NotFound
from starlink.client.kube import Client
from starlink.manifest import load
from starlink.planning.children import applied
from starlink.planning.contract import TASKS, Gate
from starlink_operator import rights
from starlink_operator.caches import Caches, Reads
from starlink_operator.controller import Entry
from starlink_operator.kinds import KINDS
from starlink_operator.leadership import DEFAULT
from starlink_operator.planned import Planned
from starlink_operator.reconciler import Reconciler
from starlink_operator.writer import Writer

Obj = dict[str, Any]
DEFINITION = Path(greeting.__file__).with_name("greetings.greet.dev.yaml")
NAME = "greetings.greet.dev"
ENTRY = replace(greeting.ENTRY, reads=Reads(many=(TASKS, GREETINGS)))
"""With a cache of ours in place of kopf's events; a planner can't tell the two apart."""


SETTLED = {
    "Ready": ("False", "Unplaceable"),
    "Reconciling": ("False", "Settled"),
    "Stalled": ("False", "NotStalled"),
}
"""There is no server, so the task's own Ready says so."""


class Greetings:
    """What people do with them, and what comes of it."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def say(self, name: str, **spec: Any) -> None:
        await self.client.create(GREETING, obj_of(GREETING, name, spec={"words": name, **spec}), "default")

    async def change(self, name: str, **spec: Any) -> None:
        await self.client.patch(GREETING, name, {"spec": spec}, "default")

    async def conditions(self, name: str) -> dict[str, tuple[str, str]]:
        found = (await self.client.get(GREETING, name, "default")).get("status", {}).get("conditions", ())
        return {one["type"]: (one["status"], one["reason"]) for one in found}

    async def task(self, name: str) -> Obj | None:
        try:
            return await self.client.get(TASK, f"{name}-greeting", "default")
        except NotFound:
            return None

    async def said(self, name: str) -> list[str]:
        found = await self.task(name)
        return found["spec"]["template"]["command"][1:] if found else []


@pytest.fixture
async def greetings(client: Client) -> AsyncIterator[Greetings]:
    """In the end nothing is left of them, their kind included."""
    yield Greetings(client)
    with contextlib.suppress(NotFound):
        await client.delete(CRD, NAME)
    await until(lambda: _is_gone(client), "the kind is gone")


async def _is_gone(client: Client) -> bool:
    try:
        await client.get(CRD, NAME)
    except NotFound:
        return True
    return False


async def define(client: Client) -> None:
    """Until the kind is served."""
    await client.create(CRD, load(DEFINITION))
    await until(lambda: _is_served(client), "the kind is served")


async def _is_served(client: Client) -> bool:
    try:
        await client.list(GREETING)
    except NotFound:
        return False
    return True


@asynccontextmanager
async def operating(client: Client, *entries: Entry, gates: Sequence[Gate] = ()) -> AsyncIterator[Caches]:
    """The operator, but for its leadership."""
    kinds: Sequence[Entry] = (*KINDS, *entries)
    observed = Caches(client, time.monotonic, time.time, lambda: 1.0, reads=[one.reads for one in kinds])
    writer = Writer(client, observed, time.time, lambda: True)
    tasks = [asyncio.create_task(observed.run())]
    try:
        await observed.synced()
        reconciler = Reconciler(observed, writer, time.monotonic, kinds=kinds, gates=gates)
        tasks.append(asyncio.create_task(reconciler.run()))
        yield observed
        assert [one.exception() for one in tasks if one.done()] == []
    finally:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(asked: Any, what: str, seconds: float = 60.0) -> None:
    """Polls the API until it is so."""
    try:
        async with asyncio.timeout(seconds):
            while not await asked():
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"{what} did not become so within {seconds:g} s")


async def test_it_is_created_changed_told_of_and_deleted(greetings: Greetings) -> None:
    client = greetings.client
    await define(client)
    async with operating(client, ENTRY):
        await greetings.say("hello")
        await until(lambda: _is(greetings.said("hello"), ["hello"]), "a task says it")
        await until(lambda: _is(greetings.conditions("hello"), SETTLED), "it is told")
        await greetings.change("hello", words="good morning")
        await until(lambda: _is(greetings.said("hello"), ["good morning"]), "the task is another")
        await client.patch(TASK, "hello-greeting", {"spec": {"template": {"command": ["echo", "no"]}}}, "default")
        await until(lambda: _is(greetings.said("hello"), ["good morning"]), "who changes the task is overruled")
        await client.delete(TASK, "hello-greeting", "default")
        await until(lambda: _is(greetings.said("hello"), ["good morning"]), "it has a task again")
        await client.delete(GREETING, "hello", "default")
        await until(lambda: _is(greetings.task("hello"), None), "its task goes with it")


async def _is(asked: Any, wanted: Any) -> bool:
    return bool(await asked == wanted)


async def test_what_can_not_be_read_is_left_alone_and_says_so(greetings: Greetings) -> None:
    await define(greetings.client)
    async with operating(greetings.client, ENTRY):
        await greetings.say("hello")
        await until(lambda: _is(greetings.said("hello"), ["hello"]), "a task says it")
        before = await greetings.task("hello")
        await greetings.change("hello", words=["a", "newer", "version"])
        await until(lambda: _stalled(greetings, "hello", "Unreadable"), "it is told")
        await greetings.say("other")
        await until(lambda: _is(greetings.said("other"), ["other"]), "others are served")
        after = await greetings.task("hello")
        assert before and after and after["spec"] == before["spec"]
        await until(lambda: _has_event(greetings.client, "hello", "Unreadable"), "an Event says so")
        await greetings.change("hello", words="again")
        await until(lambda: _is(greetings.said("hello"), ["again"]), "it is served when it can be read")
        await until(lambda: _is(greetings.conditions("hello"), SETTLED), "and says nothing of it any more")


async def _has_event(client: Client, name: str, reason: str) -> bool:
    events = map(msgspec.json.decode, (await client.list(EVENT, "default")).items)
    return any(one["involvedObject"]["name"] == name and one["reason"] == reason for one in events)


async def _stalled(greetings: Greetings, name: str, reason: str) -> bool:
    return (await greetings.conditions(name)).get("Stalled") == ("True", reason)


async def test_a_planner_that_raises_troubles_only_the_object_it_raises_on(greetings: Greetings) -> None:
    """Planned together, in the first round, with others that are well."""
    await define(greetings.client)
    for name, times in (("a", 1), ("bad", 0), ("z", 2)):
        await greetings.say(name, times=times)
    async with operating(greetings.client, ENTRY):
        await until(lambda: _stalled(greetings, "bad", "InternalError"), "it is told")
        for name in ("a", "z"):
            await until(lambda name=name: _is(greetings.said(name), [name]), "the others are served")
        assert await greetings.task("bad") is None
        await greetings.client.create(TASK, task("web"), "default")
        await until(lambda: _has_phase(greetings.client, "web"), "tasks are served")
        await greetings.change("bad", times=1)
        await until(lambda: _is(greetings.said("bad"), ["bad"]), "another spec is tried at once")


async def _has_phase(client: Client, name: str) -> bool:
    return bool((await client.get(TASK, name, "default")).get("status", {}).get("phase"))


class Clumsy(Greeter):
    """Raises whatever it is asked."""

    def wakes(self, change: Any, sight: Any) -> Any:
        raise KeyError("a secret")

    def plan(self, keys: Any, sight: Any) -> Any:
        raise KeyError("a secret")


@pytest.mark.parametrize("defined", [False, True])
async def test_a_kind_without_its_crd_and_a_planner_that_always_raises_trouble_no_other(
    greetings: Greetings, defined: bool, caplog: pytest.LogCaptureFixture
) -> None:
    client = greetings.client
    if defined:
        await define(client)
        await greetings.say("hello")
    entry = replace(ENTRY, controller=partial(Planned, Clumsy()))
    async with operating(client, entry):
        await client.create(TASK, task("web"), "default")
        await until(lambda: _has_phase(client, "web"), "tasks are served")
        if defined:
            await until(lambda: _stalled(greetings, "hello", "InternalError"), "it is told")
    assert "a secret" not in caplog.text


async def test_a_kind_whose_crd_comes_later_is_served_then(greetings: Greetings) -> None:
    client = greetings.client
    async with operating(client, ENTRY) as observed:
        await client.create(TASK, task("web"), "default")
        await until(lambda: _has_phase(client, "web"), "tasks are served")
        await define(client)
        await greetings.say("hello")
        await soon(lambda: observed.cache(GREETING).objects, "it is seen", 60.0)
        await until(lambda: _is(greetings.said("hello"), ["hello"]), "a task says it")


@pytest.mark.on_both
async def test_a_leader_that_slept_overwrites_and_brings_back_nothing(greetings: Greetings) -> None:
    """What it planned is sent, after the child was changed, deleted, and made anew under its name."""
    client = greetings.client
    await client.create(TASK, task("web"), "default")
    observed = Caches(client, time.monotonic, time.time, lambda: 1.0)
    await observed.tasks.refresh()
    seen = observed.tasks.objects[ObjectKey("default", "web")]
    (late,) = applied(TASK, seen, {"replicas": 7, "template": {"command": ["late"]}})
    writer = Writer(client, observed, time.time, lambda: True)
    await client.patch(TASK, "web", {"metadata": {"labels": {"a": "b"}}}, "default")
    with pytest.raises(Conflict):
        await writer.write(late)
    await client.delete(TASK, "web", "default")
    await writer.write(late)
    with pytest.raises(NotFound):
        await client.get(TASK, "web", "default")
    await client.create(TASK, task("web"), "default")
    with pytest.raises(Conflict):
        await writer.write(late)
    assert (await client.get(TASK, "web", "default"))["spec"]["template"]["command"] == ["run"]


SOON = 30.0
"""Half the seconds after which the operator lists anew what kopf brings."""
UNTIL_KINDS_ARE_KNOWN = 120.0
"""Kubernetes' garbage collector looks for new kinds each 30 s, and asks ever more seldom after an owner it knows not."""


@pytest.fixture
async def granted(client: Client) -> AsyncIterator[None]:
    """The operator's user has the rights of the kinds that ship, and none for greetings."""
    await grant(client, rights.needed(SERVER_NAMESPACE, DEFAULT, KINDS))
    yield
    for name in (USER, "greetings"):
        await revoke(client, name)


@pytest.mark.on_both
@pytest.mark.usefixtures("granted")
async def test_kopf_brings_it_to_an_operator_with_just_the_rights_of_its_entry(
    greetings: Greetings, wire: Wire, tmp_path: Path
) -> None:
    """From its kubeconfig and its lease to the end: the operator, with one kind more. While the right and the CRD of
    that are missing, all else is served."""
    client = greetings.client
    async with operator(wire, tmp_path, module="tests.greeting.operator") as running:
        await client.create(TASK, task("web"), "default")
        await until(lambda: _has_phase(client, "web"), "tasks are served")
        await until(lambda: heard(client), "kopf follows pools, long before they are listed anew", SOON)
        await grant(client, rights.of_entry(greeting.ENTRY), "greetings")
        await until(lambda: heard(client, "with-rights"), "pools are followed while the CRD is missing", SOON)
        await define(client)
        await greetings.say("hello")
        await until(lambda: _is(greetings.said("hello"), ["hello"]), "a task says it")
        await greetings.change("hello", words="good morning")
        await until(lambda: _is(greetings.said("hello"), ["good morning"]), "kopf brings what changes", SOON)
        await until(lambda: _is(greetings.conditions("hello"), SETTLED), "it is told")
        await client.delete(GREETING, "hello", "default")
        await until(lambda: _is(greetings.task("hello"), None), "its task goes with it", UNTIL_KINDS_ARE_KNOWN)
        assert running.process.returncode is None
    errors = [line["msg"] for line in running.lines() if line.get("level") == "error"]
    assert all("rights are missing" in msg and "greetings.greet.dev" in msg for msg in errors), errors


@pytest.mark.usefixtures("granted")
async def test_a_kind_that_kopf_brings_may_go_and_come_back(greetings: Greetings, wire: Wire, tmp_path: Path) -> None:
    """With its CRD, and without the right meanwhile."""
    client, its = greetings.client, rights.of_entry(greeting.ENTRY)
    await define(client)
    await grant(client, its, "greetings")
    async with operator(wire, tmp_path, module="tests.greeting.operator") as running:
        await greetings.say("hello")
        await until(lambda: _is(greetings.said("hello"), ["hello"]), "a task says it")
        await revoke(client, "greetings")
        await client.delete(CRD, NAME)
        await soon(lambda: running.said("the watch of greetings by kopf failed"), "its kopf has ended")
        await client.create(TASK, task("web"), "default")
        await until(lambda: _has_phase(client, "web"), "tasks are served")
        await until(lambda: heard(client), "kopf follows pools")
        await define(client)
        await grant(client, its, "greetings")
        await greetings.say("again")
        await until(lambda: _is(greetings.said("again"), ["again"]), "a task says it")
        assert running.process.returncode is None
    assert len(running.said("the watch of greetings by kopf failed")) == 1, "it is said once"
    assert running.said("Unclosed") == [] and running.process.returncode == 0
