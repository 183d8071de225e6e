"""What is looked at again at once, and what only with others."""

from typing import Any

import msgspec
import pytest

from starlink.api.assignment import Assignment
from starlink.api.change import Change
from starlink.api.kinds import POOL, TASK
from starlink.api.meta import ObjectKey
from starlink.api.task import Task
from starlink_operator.echoes import Echoes

WEB = ObjectKey("default", "web")


def task(meta: dict[str, Any] | None = None, **status: Any) -> Task:
    metadata = {"name": "web", "namespace": "default", "uid": "u", "generation": 1, **(meta or {})}
    return msgspec.convert({"metadata": metadata, "spec": {"template": {"command": ["run"]}}, "status": status}, Task)


def assignment(meta: dict[str, Any] | None = None, desired: str = "Running", **status: Any) -> Assignment:
    metadata = {"name": "web-0", "namespace": "default", "labels": {"starlink.dev/task": "web"}, **(meta or {})}
    spec = {"server": "s1", "slot": "0", "attempt": 1, "template": {"command": ["run"]}, "desired": desired}
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": status}, Assignment)


@pytest.fixture
def marked() -> list[ObjectKey]:
    return []


@pytest.fixture
def echoes(marked: list[ObjectKey]) -> Echoes:
    return Echoes(marked.append)


def test_a_status_that_was_told_is_looked_at_with_others(echoes: Echoes, marked: list[ObjectKey]) -> None:
    echoes.task_changed(Change(WEB, task({"resourceVersion": "1"}), task({"resourceVersion": "2"}, ready=1)))
    assert marked == [] and echoes.has((TASK, WEB)) and not echoes.has((POOL, WEB))
    assert echoes.take() == [WEB]
    assert echoes.take() == [] and not echoes.has((TASK, WEB)), "once"


def test_so_is_an_assignment_that_was_created(echoes: Echoes, marked: list[ObjectKey]) -> None:
    echoes.assignment_changed(Change(ObjectKey("default", "web-0"), None, assignment()))
    assert marked == [] and echoes.take() == [WEB]


@pytest.mark.parametrize(
    "meta",
    [
        {"generation": 2},
        {"uid": "another"},
        {"labels": {"team": "a"}},
        {"annotations": {"note": "b"}},
        {"finalizers": ["x"]},
        {"deletionTimestamp": "2026-01-01T00:00:00Z"},
    ],
)
def test_all_else_of_a_task_is_news(echoes: Echoes, marked: list[ObjectKey], meta: dict[str, Any]) -> None:
    echoes.task_changed(Change(WEB, task(), task(meta)))
    assert marked == [WEB] and len(echoes) == 0


def test_a_task_that_comes_and_one_that_goes_are_news(echoes: Echoes, marked: list[ObjectKey]) -> None:
    echoes.task_changed(Change(WEB, None, task()))
    echoes.task_changed(Change(WEB, task(), None))
    assert marked == [WEB, WEB]


_OLD, _RUNNING = assignment(), assignment(phase="Running", ready=True)
_STOPPING = assignment(desired="Stopped")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (None, _RUNNING),
        (None, _STOPPING),
        (None, assignment({"deletionTimestamp": "2026-01-01T00:00:00Z"})),
        (_OLD, _RUNNING),
        (_OLD, _STOPPING),
        (_OLD, assignment({"annotations": {"note": "b"}})),
        (_OLD, None),
    ],
)
def test_all_else_of_an_assignment_is_news(
    echoes: Echoes, marked: list[ObjectKey], old: Assignment | None, new: Assignment | None
) -> None:
    echoes.assignment_changed(Change(ObjectKey("default", "web-0"), old, new))
    assert {*marked} == {WEB} and len(echoes) == 0


def test_what_is_news_of_a_task_has_its_echoes_looked_at_too(echoes: Echoes, marked: list[ObjectKey]) -> None:
    key = ObjectKey("default", "web-0")
    echoes.assignment_changed(Change(key, None, assignment()))
    echoes.assignment_changed(Change(key, assignment(), _RUNNING))
    assert {*marked} == {WEB} and echoes.take() == []
