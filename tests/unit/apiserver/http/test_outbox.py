"""Answers wait for what is noted of their requests."""

import asyncio

import pytest

from starlink.http.outbox import Nothing, Outbox


class Notes:
    def __init__(self) -> None:
        self.waits = False
        self.flushed = 0

    def flush(self) -> None:
        self.waits = False
        self.flushed += 1


async def test_no_answer_leaves_before_the_notes_are_written() -> None:
    notes, sent = Notes(), list[tuple[str, int]]()
    outbox = Outbox(notes)
    outbox.send(lambda: sent.append(("a", notes.flushed)))
    assert sent == [("a", 0)]
    notes.waits = True
    for name in "bc":
        outbox.send(lambda name=name: sent.append((name, notes.flushed)))  # type: ignore[misc]
    assert sent == [("a", 0)]
    await asyncio.sleep(0)
    assert sent == [("a", 0), ("b", 1), ("c", 1)] and notes.flushed == 1


async def test_what_can_not_wait_has_the_notes_written_first() -> None:
    notes, sent = Notes(), list[str]()
    outbox = Outbox(notes)
    outbox.settle()
    assert notes.flushed == 0
    notes.waits = True
    outbox.send(lambda: sent.append("a"))
    outbox.settle()
    assert notes.flushed == 1
    await asyncio.sleep(0)
    assert sent == ["a"] and notes.flushed == 1


async def test_one_that_fails_keeps_no_other(caplog: pytest.LogCaptureFixture) -> None:
    notes, sent = Notes(), list[str]()
    outbox = Outbox(notes)
    notes.waits = True
    outbox.send(lambda: [][0])
    outbox.send(lambda: sent.append("b"))
    await asyncio.sleep(0)
    assert sent == ["b"] and "an answer was not sent" in caplog.text


async def test_where_nothing_is_noted_nothing_waits() -> None:
    sent = list[str]()
    Outbox(Nothing()).send(lambda: sent.append("a"))
    assert sent == ["a"]
