"""Plans that a gate holds back: nothing is done, it is told why, and done as soon as the gate lets it."""

from typing import Any

import msgspec
import pytest
from tests.greeting.gates import CURFEW, Curfew
from tests.greeting.view import GREETING, GREETINGS
from tests.integration.conftest import task
from tests.integration.operator.test_new_kind import ENTRY, Greetings, define, operating, until

from starlink.api.kinds import EVENT, TASK
from starlink.client.kube import Client
from starlink.planning.contract import Hold, Sight
from starlink.planning.plan import Plan


@pytest.fixture
async def greetings(client: Client) -> Greetings:
    """The kind is there."""
    await define(client)
    return Greetings(client)


async def _said(greetings: Greetings, name: str) -> bool:
    return await greetings.said(name) == [name]


async def _told(greetings: Greetings, name: str) -> list[tuple[str, str]]:
    events = map(msgspec.json.decode, (await greetings.client.list(EVENT, "default")).items)
    return [(one["reason"], one["message"]) for one in events if one["involvedObject"]["name"] == name]


async def test_a_plan_that_is_held_back_is_told_of_and_applied_when_what_the_gate_reads_changes(
    greetings: Greetings,
) -> None:
    client = greetings.client
    await client.create(TASK, task(CURFEW.name), "default")
    async with operating(client, ENTRY, gates=(Curfew(),)):
        await greetings.say("hello")
        await until(lambda: _told(greetings, "hello"), "an Event says why")
        assert await _told(greetings, "hello") == [("Curfew", "nothing is said while task default/curfew is there")]
        await until(lambda: greetings.conditions("hello"), "what only tells is told")
        assert (await greetings.conditions("hello"))["Ready"] == ("False", "NoTaskYet")
        assert await greetings.task("hello") is None
        await client.patch(GREETING, "hello", {"metadata": {"labels": {"a": "b"}}}, "default")
        await greetings.say("other")
        await until(lambda: _told(greetings, "other"), "it has looked again")
        assert len(await _told(greetings, "hello")) == 1, "it is told once"
        await client.delete(TASK, CURFEW.name, "default")
        for name in ("hello", "other"):
            await until(lambda name=name: _said(greetings, name), "it is said")


class Later:
    """Holds each plan until a second after it was asked first."""

    reads = (GREETINGS,)

    def __init__(self) -> None:
        self.until: dict[Any, float] = {}
        self.asked = 0

    def holds(self, plan: Plan, sight: Sight) -> Hold | None:
        if plan.kind != GREETING:
            return None
        self.asked += 1
        until = self.until.setdefault(plan.subject, sight.now + 1)
        return Hold("Later", plan.subject, "in a second", until) if sight.now < until else None


async def test_a_gate_is_asked_again_when_its_time_has_come(greetings: Greetings) -> None:
    later = Later()
    async with operating(greetings.client, ENTRY, gates=(later,)):
        await greetings.say("hello")
        await until(lambda: _said(greetings, "hello"), "it is said, without anything that changes")
        assert later.asked < 20 and await _told(greetings, "hello") == [("Later", "in a second")]


class Clumsy(Curfew):
    """Raises of a greeting that is called bad."""

    def holds(self, plan: Plan, sight: Sight) -> Hold | None:
        if plan.subject.name == "bad":
            raise KeyError("a secret")
        return super().holds(plan, sight)


async def test_a_gate_that_raises_holds_back_the_one_plan_and_no_other(
    greetings: Greetings, caplog: pytest.LogCaptureFixture
) -> None:
    async with operating(greetings.client, ENTRY, gates=(Clumsy(),)):
        for name in ("a", "bad", "z"):
            await greetings.say(name)
        for name in ("a", "z"):
            await until(lambda name=name: _said(greetings, name), "the others are served")
        await until(lambda: _told(greetings, "bad"), "it is told")
        assert (await _told(greetings, "bad"))[0][0] == "InternalError"
        assert await greetings.task("bad") is None
        for number in range(3):
            await greetings.change("bad", words=f"again{number}")
        await greetings.say("last")
        await until(lambda: _said(greetings, "last"), "the others are served still")
    assert caplog.text.count("holds of gate Clumsy failed: KeyError at") == 1 and "a secret" not in caplog.text
