"""Refusals, a file a case: a fleet and an ask in YAML, and below the line what is said of what found no place.

`pytest tests/golden --rewrite` writes what is below the line anew; read the diff.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from starlink.api.quantity import amount
from starlink.api.server import Taint
from starlink.api.task import Toleration
from starlink.scheduling.ask import HOSTNAME, Ask, Load, Spread, Term
from starlink.scheduling.fleet import Charge, Fleet, Node
from starlink.scheduling.place import place
from starlink.scheduling.pool import FleetPool

CASES = Path(__file__).parent / "explain"
LINE = "---\n"
RESOURCES = ("cpu", "memory", "ephemeral-storage", "gpu")


def resources(given: Mapping[str, Any]) -> dict[str, int]:
    return {key: amount(key, value) for key, value in given.items() if key in RESOURCES or "/" in key}


def quota(given: Mapping[str, Any]) -> dict[str, int]:
    return {key: amount(key, value) for key, value in given.items()}


def taint(text: str) -> Taint:
    pair, effect = text.split(":")
    key, _, value = pair.partition("=")
    return Taint(key=key, value=value, effect=effect)


def nodes(given: Mapping[str, Any]) -> Iterator[Node]:
    """`name: rack-1..3` are three servers of the same kind."""
    first, _, last = str(given["name"]).partition("..")
    stem, number = first.rstrip("0123456789"), first[len(first.rstrip("0123456789")) :]
    for name in [f"{stem}{n}" for n in range(int(number), int(last) + 1)] if last else [first]:
        yield Node(
            name=name,
            architecture=given.get("arch", "amd64"),
            pool=given.get("pool", ""),
            labels=given.get("labels", {}),
            taints=tuple(map(taint, given.get("taints", ()))),
            runtimes=tuple(given.get("runtimes", ("Process",))),
            features=tuple(given.get("features", ())),
            ready=given.get("ready", True),
            schedulable=not given.get("cordoned", False),
            allocatable=resources({"cpu": 4, "memory": "8Gi", **given}),
        )


def pool(given: Mapping[str, Any]) -> FleetPool:
    return FleetPool(
        name=given["name"],
        architectures=tuple(given.get("architectures", ())),
        namespaces=tuple(given.get("namespaces", ())),
        quota=quota(given.get("quota", {})),
        cohort=given.get("cohort", ""),
        lend=quota(given.get("lend", {})),
        borrow=quota(given.get("borrow", {})),
        high=given.get("high", {}),
        closed=given.get("closed", False),
    )


def terms(given: list[Mapping[str, Any]]) -> tuple[Term, ...]:
    return tuple(Term(frozenset(one["to"]), one.get("key", HOSTNAME), one.get("weight")) for one in given)


def load(given: Mapping[str, Any]) -> Load:
    needs = resources(given)
    counted = {key: needs[key] for key in ("cpu", "memory") if key in needs}
    return Load(
        group=given.get("group", "default/web"),
        requests=tuple(needs.items()),
        quota=(*counted.items(), ("assignments", 1)),
        ports=frozenset((*given.get("ports", ()), *given.get("hostPorts", ()))),
        repels=tuple(term for term in terms(given.get("antiAffinity", [])) if term.weight is None),
    )


def ask(given: Mapping[str, Any]) -> Ask:
    return Ask(
        load=load(given),
        server=given.get("server", ""),
        pool=given.get("pool", ""),
        namespace=given.get("namespace", "default"),
        architectures=tuple(given.get("architectures", ())),
        architectures_from=given.get("architecturesFrom", "placement.architectures"),
        runtime=given.get("runtime", "Process"),
        features=frozenset(given.get("features", ())),
        selector=given.get("selector", {}),
        tolerations=tuple(Toleration(key=key, operator="Exists") for key in given.get("tolerates", ())),
        affinity=terms(given.get("affinity", [])),
        anti_affinity=terms(given.get("antiAffinity", [])),
        spread=tuple(Spread(one["key"], one.get("maxSkew", 1)) for one in given.get("spread", ())),
        gang=given.get("gang", False),
        host_ports=tuple(given.get("hostPorts", ())),
        unknown=frozenset(given.get("unknown", ())),
    )


def told(given: Mapping[str, Any]) -> str:
    """What is said of a case: what was placed, and the refusal of the rest."""
    fleet = Fleet([node for one in given.get("servers", ()) for node in nodes(one)], map(pool, given.get("pools", ())))
    for number, running in enumerate(given.get("running", ())):
        for copy in range(running.get("times", 1)):
            taken = load({"group": "default/other", **running})
            fleet.charge(f"{number}-{copy}", Charge(running["server"], taken, stopping=running.get("stopping", False)))
    with fleet.trial():
        placed = place(fleet, ask(given["ask"]), given["ask"].get("replicas", 1))
    refusal = placed.refusal
    assert refusal is not None, "all instances found a place"
    lines = [
        f"placed: {', '.join(fleet.names[server] for server in placed.servers.tolist()) or 'none'}",
        f"removed: {', '.join(f'{name} {count}' for name, count in refusal.removed if count) or 'none'}",
        f"nearest: {refusal.best or 'none'}, lacks {' and '.join(refusal.lacks) or 'nothing'}",
        f"remedy: {refusal.remedy}",
        f"message: {refusal.message}",
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", sorted(CASES.glob("*.txt")), ids=lambda path: path.stem)
def test_refusal(path: Path, rewrite: bool) -> None:
    case, _, expected = path.read_text().partition(LINE)
    found = told(yaml.safe_load(case))
    if rewrite:
        path.write_text(f"{case}{LINE}{found}")
    else:
        assert found == expected
