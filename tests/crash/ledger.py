"""What was written and acknowledged, what was told to watchers, and whether the two agree. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ack:
    """An acknowledged write. `value` None: a deletion, whose revision is not told. `after`: what its writer knew
    to have been acknowledged, by anybody, when it asked."""

    name: str
    value: str | None
    after: int
    revision: int


@dataclass(frozen=True, slots=True)
class Seen:
    """One event as a watcher was told it."""

    type: str
    name: str
    revision: int
    value: str


@dataclass
class Ledger:
    """The writes of all writers to one kind."""

    acks: list[Ack] = field(default_factory=list)
    attempts: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


State = dict[str, tuple[int, str]]


def replay(state: State, since: int, events: Sequence[Seen]) -> State:
    """What a watcher holds after the events: no gap may show, nothing may come twice or go back."""
    held = dict(state)
    for event in events:
        assert event.revision > since, f"{event} after revision {since}"
        since = event.revision
        is_new = event.name not in held
        assert is_new is (event.type == "ADDED"), f"{event}, but there was {held.get(event.name)}"
        if event.type == "DELETED":
            assert event.value == held.pop(event.name)[1], f"{event} holds something else than was there"
        else:
            held[event.name] = (event.revision, event.value)
    return held


def check_acks(events: Sequence[Seen], acks: Sequence[Ack]) -> None:
    """Each acknowledged write was told, at its revision, which is later than all that was acknowledged before it."""
    told = {event.revision: event for event in events}
    deletions: dict[str, list[int]] = defaultdict(list)
    for event in events:
        if event.type == "DELETED":
            deletions[event.name].append(event.revision)
    for ack in acks:
        if ack.value is None:
            assert any(revision > ack.after for revision in deletions[ack.name]), f"{ack} was lost"
            continue
        assert ack.revision > ack.after, f"{ack}: the revision went back"
        found = told.get(ack.revision)
        assert found is not None and (found.name, found.value) == (ack.name, ack.value), f"{ack} was lost: {found}"


def check_origin(events: Sequence[Seen], attempts: Mapping[str, set[str]]) -> None:
    """Nothing was told that nobody wrote, and nothing was done twice."""
    done: set[str] = set()
    for event in events:
        if event.type != "DELETED":
            assert event.value in attempts[event.name], f"nobody wrote {event}"
            assert event.value not in done, f"{event} was done twice"
            done.add(event.value)
