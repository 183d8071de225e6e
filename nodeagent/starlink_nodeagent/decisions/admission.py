"""The agent's own check of what it is to start: nothing that would overcommit the server. Pure.

The operator places by what it knows. This second guard holds when it knew too little: a leader that was replaced and
does not know it yet, or an instance that only the agent knows of.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from starlink.api import quantity, template_faults
from starlink.api.assignment import Assignment
from starlink.api.checks import INVALID_SPEC
from starlink.api.template import Template
from starlink_nodeagent.decisions.plan import Wait
from starlink_nodeagent.journal.record import Record
from starlink_nodeagent.machine.resources import CPU, Amounts, requested

OVERCOMMIT: Mapping[str, int] = {CPU: 10}
"""How many times what is allocatable may be had, where not once. An agent is not told its pool's overcommit; this is
the most that a pool may give."""

OUT_OF_RESOURCES, PORT_TAKEN = "OutOfResources", "PortTaken"


@dataclass(frozen=True, slots=True)
class Claim:
    """What one instance has, or asks for: `amounts` by resource, `ports` by number."""

    uid: str
    name: str
    amounts: Amounts
    ports: frozenset[int]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why it is not started: a CamelCase reason and a message."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`refusal` None: it may start."""

    assignment: Assignment
    refusal: Refusal | None


def claim(uid: str, name: str, template: Template, ports: Iterable[int] = ()) -> Claim:
    """The claim of an instance; `ports` are those picked for it and its host ports. Raises ValueError for a bad
    quantity."""
    fixed = {port.port for port in template.ports if port.port}
    return Claim(uid, name, requested(template), frozenset({*fixed, *ports}))


def claims(records: Iterable[Record]) -> Sequence[Claim]:
    """Those of what is not over and can be used."""
    return [
        claim(record.uid, str(record.key), record.template, (*record.ports.values(), *record.host_ports))
        for record in records
        if not record.finished and not template_faults.fault(record.template)
    ]


def judge(
    fresh: Iterable[Assignment],
    waits: Sequence[Wait],
    held: Sequence[Claim],
    allocatable: Amounts,
    fault: Callable[[Template], str],
) -> list[Verdict]:
    """What of `fresh` may start beside what is `held` and unfinished, the oldest first.

    One that waits for others takes their place when they have stopped, so a younger one must fit before and after. One
    whose template can't be used, as `fault` says, takes nothing.
    """
    leaving = {uid for wait in waits for uid in wait.blockers}
    before = _Ledger(allocatable, held)
    after = _Ledger(allocatable, (claim for claim in held if claim.uid not in leaving))
    waiting = {wait.assignment.uid for wait in waits}
    verdicts = []
    for assignment in sorted((*fresh, *(wait.assignment for wait in waits)), key=_age):
        unusable = fault(assignment.spec.template)
        if unusable:
            if assignment.uid not in waiting:
                verdicts.append(Verdict(assignment, Refusal(INVALID_SPEC, unusable)))
            continue
        asked = claim(assignment.uid, str(assignment.key), assignment.spec.template, assignment.spec.host_ports)
        if assignment.uid in waiting:
            after.take(asked)
            continue
        refusal = before.refusal(asked) or after.refusal(asked)
        if refusal is None:
            before.take(asked)
            after.take(asked)
        verdicts.append(Verdict(assignment, refusal))
    return verdicts


def _age(assignment: Assignment) -> tuple[str, str, str]:
    return assignment.metadata.creation_timestamp, assignment.name, assignment.metadata.namespace


class _Ledger:
    """Who has what of the server."""

    def __init__(self, allocatable: Amounts, held: Iterable[Claim]) -> None:
        self._room = {name: amount * OVERCOMMIT.get(name, 1) for name, amount in allocatable.items()}
        self._used: Counter[str] = Counter()
        self._ports: dict[int, str] = {}
        for claim in held:
            self.take(claim)

    def take(self, claim: Claim) -> None:
        self._used.update(claim.amounts)
        self._ports.update(dict.fromkeys(claim.ports, claim.name))

    def refusal(self, claim: Claim) -> Refusal | None:
        for port in sorted(claim.ports & self._ports.keys()):
            owner = self._ports[port]
            told = f"port {port} is that of {owner} on this server; give another number, or 0 to have one picked"
            return Refusal(PORT_TAKEN, told)
        for name, asked in sorted(claim.amounts.items()):
            if asked > self._free(name):
                return Refusal(OUT_OF_RESOURCES, self._short(name, asked))
        return None

    def _free(self, name: str) -> int:
        return max(self._room.get(name, 0) - self._used[name], 0)

    def _short(self, name: str, asked: int) -> str:
        wanted, free, room = (
            quantity.format_amount(name, amount) for amount in (asked, self._free(name), self._room.get(name, 0))
        )
        whole = f"{room} ({OVERCOMMIT[name]} times what is allocatable)" if name in OVERCOMMIT else room
        return f"it asks for {name} {wanted}, and {free} of {whole} is free on this server; ask for less, or free some"
