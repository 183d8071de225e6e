"""Transcripts of preemption: a full fleet and what asks for a place, and below the line who goes for it.

Each file in `preempt` shows one rule. The part above `---` is as in `placements`, with a `priority` for whatever runs or
asks, and `budgets`: how many of a task may be disrupted now (1 unless something else is said); of `gangs` all go or
none. An instance that runs is named by its task and its number.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.golden import test_placements as placements

from starlink.scheduling.ask import Ask
from starlink.scheduling.fleet import Charge, Fleet
from starlink.scheduling.place import place
from starlink.scheduling.preemption.preempt import Preemption, preempt

FILES = sorted((Path(__file__).parent / "preempt").glob("*.txt"))
STATES = ("running", "stopping", "lost")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_preemption(file: Path, rewrite: bool) -> None:
    text = file.read_text()
    given, _, _ = text.partition(placements.LINE)
    told = given + placements.LINE + "\n".join(transcript(yaml.safe_load(given))) + "\n"
    if rewrite:
        file.write_text(told)
    assert told == file.read_text()


def transcript(given: dict[str, Any]) -> Iterator[str]:
    fleet = _fleet(given)
    budgets = {charge.load.group: 1 for charge in fleet.charges.values()} | given.get("budgets", {})
    told: set[str] = set()
    with fleet.trial():
        for number, asked in enumerate(given["asks"]):
            if number:
                yield ""
            gangs = frozenset(given.get("gangs", ()))
            yield from _told(fleet, _ask(asked), asked.get("count", 1), budgets, told, gangs)


def _told(
    fleet: Fleet, ask: Ask, count: int, budgets: dict[str, int], told: set[str], gangs: frozenset[str]
) -> Iterator[str]:
    placed = place(fleet, ask, count)
    found = preempt(fleet, ask, count - len(placed.servers), budgets, told, gangs=gangs)
    yield f"{ask.load.group} of priority {ask.load.priority} asks for {count}: {len(placed.servers)} placed, {len(found)} by preemption"
    for one in found:
        yield f"  on {fleet.names[one.server]}: {_victims(fleet, one)}"
        told |= {*one.victims}
        for uid in one.victims:
            budgets[fleet.charges[uid].load.group] -= 1
    if len(placed.servers) + len(found) < count:
        yield f"  {count - len(placed.servers) - len(found)} without a place"


def _victims(fleet: Fleet, one: Preemption) -> str:
    server = fleet.names[one.server]
    words = []
    for uid in one.victims:
        charge = fleet.charges[uid]
        words.append(
            f"{uid} of priority {charge.load.priority}" + (f" on {charge.server}" if charge.server != server else "")
        )
    parts = ["preempts " + " and ".join(words)] if words else []
    parts += ["waits for " + " and ".join(one.wait_for)] if one.wait_for else []
    told = ", ".join(parts) or "nobody is in its way"
    return f"{told}; not created before the quota is free" if one.waits else told


def _fleet(given: dict[str, Any]) -> Fleet:
    fleet = placements._fleet({**given, "running": ()})
    numbers: dict[str, int] = {}
    for running in given["running"]:
        state, task = running.get("state", "running"), running["task"]
        assert state in STATES, state
        for _ in range(running.get("count", 1)):
            numbers[task] = numbers.get(task, -1) + 1
            charge = Charge(
                running["server"], _ask(running).load, counted=state != "lost", stopping=state == "stopping"
            )
            fleet.charge(f"{task}-{numbers[task]}", charge)
    return fleet


def _ask(spec: Mapping[str, Any]) -> Ask:
    ask = placements._ask(dict(spec))
    return replace(ask, load=replace(ask.load, priority=spec.get("priority", 0)))
