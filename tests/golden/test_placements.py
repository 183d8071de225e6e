"""Transcripts of placing: a fleet and what asks for a place, and below the line where it goes and why.

Each file in `placements` shows one feature. The part above `---` is written by hand, the part below by `pytest
tests/golden --rewrite`. A server has 4 cores and 8Gi, and an instance asks for 1 and 1Gi, unless something else is said.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from tests.properties.fleets import scores_of

from starlink.api import quantity
from starlink.scheduling.ask import HOSTNAME, Ask, Load, Spread, Term
from starlink.scheduling.filters import BY_KIND, Removed
from starlink.scheduling.fleet import Charge, Fleet, Node
from starlink.scheduling.place import Choice, place
from starlink.scheduling.pool import FleetPool, Weights

FILES = sorted((Path(__file__).parent / "placements").glob("*.txt"))
LINE = "---\n"
_QUOTA_KEYS = {"cpu": "cpu", "memory": "memory", "gpu": "gpu", "ephemeral-storage": "storage"}


class Taint(NamedTuple):
    key: str
    value: str
    effect: str


class Toleration(NamedTuple):
    key: str | None
    operator: str = "Equal"
    value: str = ""
    effect: str | None = None


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_placements(file: Path, rewrite: bool) -> None:
    text = file.read_text()
    given, _, _ = text.partition(LINE)
    told = given + LINE + "\n".join(transcript(yaml.safe_load(given))) + "\n"
    if rewrite:
        file.write_text(told)
    assert told == file.read_text()


def transcript(given: dict[str, Any]) -> Iterator[str]:
    fleet = _fleet(given)
    with fleet.trial():
        for number, asked in enumerate(given["asks"]):
            if number:
                yield ""
            yield from _told(fleet, _ask(asked), asked.get("count", 1))


def _told(fleet: Fleet, ask: Ask, count: int) -> Iterator[str]:
    scores = scores_of(fleet, ask)
    placed = place(fleet, ask, count)
    yield f"{ask.load.group} asks for {count}: {placed.fit} of {len(fleet)} servers fit{_counts(placed.removed, ', removed ')}"
    if scores:
        ranked = sorted(scores, key=lambda name: (-scores[name], name))
        yield "  scores: " + ", ".join(f"{name} {scores[name]:.2f}" for name in ranked)
    for slot, (server, use) in enumerate(zip(placed.servers, placed.use, strict=True)):
        yield f"  {slot} on {fleet.names[server]}: {Choice(placed.choices, int(use * 100))!s}"
    if placed.refusal:
        yield f"  {count - len(placed.servers)} without a place{_counts(placed.refusal.removed, ': removed ')}"
    yield from _quotas(fleet)


def _counts(removed: Removed, before: str) -> str:
    counted = [f"{name} {number}" for name, number in removed if number]
    return before + ", ".join(counted) if counted else ""


def _quotas(fleet: Fleet) -> Iterator[str]:
    for name, pool in fleet.pools.items():
        used = fleet.quota_used[name]
        shown = [f"{key} {used.get(key, 0)} of {limit}" for key, limit in pool.quota.items()]
        if shown:
            yield f"  quota of {name}: " + ", ".join(shown)


# What is given


def _fleet(given: dict[str, Any]) -> Fleet:
    nodes = [_node(name, spec or {}) for name, spec in given["servers"].items()]
    fleet = Fleet(nodes, [_pool(name, spec or {}) for name, spec in given.get("pools", {}).items()])
    for number, running in enumerate(given.get("running", ())):
        state = running.get("state", "running")
        assert state in ("running", "stopping", "lost"), state
        fleet.charge(
            f"uid-{number}",
            Charge(running["server"], _ask(running).load, counted=state != "lost", stopping=state == "stopping"),
        )
    return fleet


def _node(name: str, spec: dict[str, Any]) -> Node:
    return Node(
        name,
        architecture=spec.get("architecture", "amd64"),
        pool=spec.get("pool", ""),
        labels=spec.get("labels", {}),
        taints=tuple(_taint(text) for text in spec.get("taints", ())),
        runtimes=tuple(spec.get("runtimes", ["Process"])),
        features=tuple(spec.get("features", ())),
        ready=spec.get("ready", True),
        schedulable=not spec.get("unschedulable", False),
        allocatable=_amounts({"cpu": 4, "memory": "8Gi", **spec.get("has", {})}),
    )


def _taint(text: str) -> Taint:
    """`key=value:Effect`."""
    named, _, effect = text.rpartition(":")
    key, _, value = named.partition("=")
    return Taint(key, value, effect)


def _pool(name: str, spec: dict[str, Any]) -> FleetPool:
    return FleetPool(
        name,
        architectures=tuple(spec.get("architectures", ())),
        namespaces=tuple(spec.get("namespaces", ())),
        strategy=spec.get("strategy", "Spread"),
        weights=Weights(**spec.get("weights", {})),
        quota=_amounts(spec.get("quota", {})),
        cohort=spec.get("cohort", ""),
        lend=_amounts(spec.get("lend", {})),
        borrow=_amounts(spec.get("borrow", {})),
        high=spec.get("high", {}),
        closed=spec.get("closed", False),
    )


def _amounts(given: Mapping[str, Any]) -> dict[str, int]:
    return {key: quantity.amount(key, value) for key, value in given.items()}


def _ask(spec: dict[str, Any]) -> Ask:
    requests = _amounts({"cpu": 1, "memory": "1Gi", **spec.get("requests", {})})
    anti_affinity = tuple(_term(term) for term in spec.get("antiAffinity", ()))
    load = Load(
        group=spec["task"],
        requests=tuple(requests.items()),
        quota=(("assignments", 1), *((_QUOTA_KEYS[key], n) for key, n in requests.items() if key in _QUOTA_KEYS)),
        ports=frozenset(spec.get("ports", ())),
        repels=tuple(term for term in anti_affinity if term.weight is None),
    )
    return Ask(
        load,
        server=spec.get("server", ""),
        pool=spec.get("pool", ""),
        namespace=spec.get("namespace", "default"),
        architectures=tuple(spec.get("architectures", ())),
        preferred_architectures=tuple(spec.get("preferredArchitectures", ())),
        runtime=spec.get("runtime", ""),
        features=frozenset(spec.get("features", ())),
        selector=spec.get("serverSelector", {}),
        tolerations=tuple(Toleration(**one) for one in spec.get("tolerations", ())),
        affinity=tuple(_term(term) for term in spec.get("affinity", ())),
        anti_affinity=anti_affinity,
        spread=tuple(Spread(one["key"], one.get("maxSkew", 1), one.get("required", True)) for one in spec.get("spread", ())),
        local=frozenset(spec.get("artifactOn", ())),
        homes=frozenset(spec.get("wasOn", ())),
        refused=frozenset(spec.get("refusedBy", ())),
        gang=spec.get("gang", False),
    )  # fmt: skip


def _term(spec: dict[str, Any]) -> Term:
    return Term(frozenset(spec["tasks"]), spec.get("key", HOSTNAME), spec.get("weight"))


def test_every_filter_is_shown() -> None:
    shown = "".join(file.read_text().partition(LINE)[2] for file in FILES)
    by_state = ("Cpu", "Memory", "EphemeralStorage", "Gpu", "Ports", "Affinity", "AntiAffinity", "Spread", "Quota")
    assert [name for name in (*(kind.name for kind in BY_KIND), *by_state) if f" {name} " not in shown] == []
