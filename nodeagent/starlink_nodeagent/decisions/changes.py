"""What changes for an instance while it runs: what its driver is to do, and the host ports that it has for that. Pure.

All else of a template makes another instance of it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from starlink.api.assignment import Assignment
from starlink.api.checks import INVALID_SPEC
from starlink.api.template import Template
from starlink_nodeagent.decisions.admission import PORT_TAKEN, Claim, Refusal
from starlink_nodeagent.decisions.plan import Declared
from starlink_nodeagent.journal.record import Record


@dataclass(frozen=True, slots=True)
class Wish:
    """What an instance is to have, of what changes while it runs. Compared as written, for Python takes 1 for true."""

    template: Template = field(compare=False)
    host_ports: tuple[int, ...] = field(compare=False)
    written: bytes


def of(template: Template, host_ports: tuple[int, ...]) -> Wish:
    """The wish for a template with these host ports."""
    return Wish(template, host_ports, msgspec.json.encode((template.driver, {*host_ports}), order="deterministic"))


def wish(record: Record, assignment: Assignment) -> Wish | None:
    """What the Assignment of an instance wishes for it, changed or not; None where nothing can change, or it is to run
    no more."""
    driver, wanted = record.template.driver, assignment.spec.template.driver
    if driver is None or wanted is None or record.stopping or record.finished or assignment.stopping:
        return None
    if (driver.name, driver.operation) != (wanted.name, wanted.operation):
        return None
    changed = msgspec.structs.replace(driver, spec=wanted.spec)
    return of(msgspec.structs.replace(record.template, driver=changed), assignment.spec.host_ports)


def is_fulfilled(record: Record, wish: Wish) -> bool:
    """Whether an instance has what is wished for it."""
    return of(record.template, record.host_ports) == wish


def declared(by: Declared, records: Iterable[Record]) -> Iterator[tuple[Record, Wish]]:
    """What a cluster wishes for its own instances."""
    for record in records:
        assignment = by.assignments.get(record.uid) if record.template.driver is not None else None
        is_current = record.cluster == by.cluster and by.resource_version >= record.resource_version
        if assignment is None or record.uid in by.unread or not is_current:
            continue
        if (found := wish(record, assignment)) is not None:
            yield record, found


def refusal(wish: Wish, others: Iterable[Claim], fault: Callable[[Template], str]) -> Refusal | None:
    """Why a wish can't be fulfilled beside what `others` have; None when it can. Then all of it stays as it was."""
    if unusable := fault(wish.template):
        return Refusal(INVALID_SPEC, f"{unusable}; it goes on as before")
    owners = {port: claim.name for claim in others for port in claim.ports}
    for port in sorted(owners.keys() & {*wish.host_ports}):
        told = f"host port {port} is that of {owners[port]} on this server; it goes on as before until that is free"
        return Refusal(PORT_TAKEN, told)
    return None
