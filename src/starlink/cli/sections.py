"""The parts that the descriptions of several kinds have: conditions, instances, resources, events. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from starlink.api.assignment import Assignment
from starlink.api.meta import Condition, Metadata, View
from starlink.api.quantity import Quantity
from starlink.apiserver.requests.reading.cells import age
from starlink.cli import tones
from starlink.cli.description import Line, Section
from starlink.cli.screen import Tone
from starlink.cli.tables import Column

MOST_INSTANCES = 40
MOST_EVENTS = 15
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_IS = {"True": "yes", "False": "no", "Unknown": "not known"}


class Event(View, frozen=True):
    """What a description tells of an Event."""

    type: str = ""
    reason: str = ""
    message: str = ""
    count: int | None = None
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    event_time: str | None = None

    @property
    def last(self) -> str:
        """When it was seen last, RFC 3339."""
        return self.last_timestamp or self.event_time or self.first_timestamp or ""


def conditions(found: Iterable[Condition], now: float) -> Section:
    """Those that say something: that nothing is under way and nothing is stuck goes without saying."""
    lines: list[Line] = []
    first: dict[str, str] = {}
    for one in found:
        if one.type in ("Reconciling", "Stalled") and one.status != "True":
            continue
        same = first.setdefault(one.message, one.type)
        why = one.message if same == one.type or not one.message else f"as {same} says"
        cells = (_words(one.type), _IS[one.status], one.reason, age(one.last_transition_time, now), why)
        lines.append(Line(cells, tones.of_condition(one.type, one.status)))
    columns = (Column("WHAT"), Column("IS SO"), Column("REASON", 1), Column("FOR", 2), Column("WHY"))
    return Section("Conditions", columns, lines, "none yet: the operator has not looked at it", toned=("IS SO",))


def instances(found: Sequence[Assignment] | None, now: float, every: str, *, by_server: bool = False) -> Section:
    """The section of assignments: those that run first, and among those the ones that are not well. `found` is None
    when they may not be read. `every` is the command that shows all."""
    columns = [
        Column("ASSIGNMENT", 0, 24), Column("TASK" if by_server else "SERVER", 0, 24), Column("STATE"),
        Column("READY", 3), Column("RESTARTS", 2), Column("EXIT"), Column("AGE", 3), Column("WHY"),
    ]  # fmt: skip
    if found is None:
        return Section("Instances", columns, (), _FORBIDDEN)
    ordered = sorted(found, key=_worst_first)
    lines = [_instance(one, now, by_server) for one in ordered[:MOST_INSTANCES]]
    left = len(ordered) - len(lines)
    more = f"and {left} more; `{every}` shows all" if left else ""
    return Section("Instances", columns, lines, "none", more, toned=("STATE", "READY"))


def _worst_first(one: Assignment) -> tuple[bool, bool, str]:
    return one.finished, one.status.ready, one.name


def _instance(one: Assignment, now: float, by_server: bool) -> Line:
    status = one.status
    place = f"{one.metadata.namespace}/{one.task}" if by_server else one.spec.server
    exit_code = status.signal or ("" if status.exit_code is None else str(status.exit_code))
    cells = (
        one.name, place, state(one), "yes" if status.ready else "no", str(status.restarts), exit_code,
        age(one.metadata.creation_timestamp, now), why(one),
    )  # fmt: skip
    return Line(cells, tone_of(one))


def tone_of(one: Assignment) -> Tone | None:
    """How an assignment is."""
    return tones.of(msgspec.to_builtins(one))


def state(one: Assignment) -> str:
    """Its phase; that it has been told to stop comes before what it was."""
    return "Stopping" if one.stopping and not one.doubted else one.status.phase


def why(one: Assignment) -> str:
    """Reason and message, where they say more than the phase."""
    told = (one.status.reason, one.status.message) if one.status.reason != one.status.phase else (one.status.message,)
    return ": ".join(part for part in told if part)


def resources(amounts: Mapping[str, Mapping[str, Quantity]]) -> Section:
    """A row a resource, a column for each of the amounts by its title."""
    names = dict.fromkeys(name for column in amounts.values() for name in column)
    lines = [Line((name, *(str(column.get(name, "")) for column in amounts.values()))) for name in names]
    return Section("Resources", [Column("RESOURCE"), *map(Column, amounts)], lines, "none are known yet")


def events(found: Sequence[Event] | None, now: float) -> Section:
    """The last of them, those that say the same together, the newest at the end; None if they may not be read."""
    columns = (Column("SEEN"), Column("TIMES", 2), Column("REASON", 1), Column("MESSAGE"))
    if found is None:
        return Section("Events", columns, (), _FORBIDDEN)
    together: dict[tuple[str, str, str], list[Event]] = {}
    for one in sorted(found, key=lambda one: one.last):
        together.setdefault((one.type, one.reason, one.message), []).append(one)
    ordered = sorted(together.values(), key=lambda its: its[-1].last)[-MOST_EVENTS:]
    lines = [
        Line(
            (_ago(its[-1].last, now), str(sum(one.count or 1 for one in its)), its[-1].reason, its[-1].message),
            Tone.BAD if its[-1].type == "Warning" else None,
        )
        for its in ordered
    ]
    return Section("Events", columns, lines, "none are kept", toned=("REASON",))


def _ago(timestamp: str, now: float) -> str:
    return f"{age(timestamp, now)} ago" if timestamp else ""


_FORBIDDEN = "you may not read them"


def about(metadata: Metadata, now: float, hidden: Callable[[str], bool] = lambda _: False) -> dict[str, str]:
    """The facts that every object has: labels, but for the hidden ones, age, and whether it is being deleted."""
    labels = {key: value for key, value in metadata.labels.items() if not hidden(key)}
    deleted = metadata.deletion_timestamp
    return {
        "Labels": pairs(labels),
        "Created": f"{age(metadata.creation_timestamp, now)} ago ({metadata.creation_timestamp})",
        "Deleted": f"{age(deleted, now)} ago, and not gone yet" if deleted else "",
    }


def pairs(found: Mapping[str, Any]) -> str:
    """`a=1, b=2`."""
    return ", ".join(f"{key}={value}" for key, value in found.items())


def _words(name: str) -> str:
    """`QuotaAvailable` → `Quota available`."""
    first, *rest = _WORD.split(name)
    return " ".join((first, *(word.lower() for word in rest)))
