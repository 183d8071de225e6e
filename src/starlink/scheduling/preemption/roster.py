"""All that is charged, as arrays: prepared once for all searches between which no charge changes."""

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import count, repeat
from operator import attrgetter, itemgetter
from typing import NamedTuple

import numpy as np

from starlink.scheduling.arrays import Amounts, Codes, Indices, Mask
from starlink.scheduling.ask import Load
from starlink.scheduling.fleet import Fleet


class Kind(NamedTuple):
    """What instances have in common that take the same and are counted alike."""

    load: Load
    counted: bool


class Roster:
    """The instances on servers that there are, ordered by server. A row is an instance: `uids`, `servers`, `stopping`,
    and `kind_of`, its place in `kinds`."""

    def __init__(self, fleet: Fleet) -> None:
        charges = list(fleet.charges.values())
        names, loads, counted, stopping = (list(map(itemgetter(field), charges)) for field in range(4))
        servers = np.fromiter(map(fleet.index.get, names, repeat(-1)), np.intp, len(names))
        order = np.argsort(servers, kind="stable")
        order = order[np.searchsorted(servers[order], 0) :]
        uids = list(fleet.charges)
        self.kinds, kind_of = _kinds(loads, counted)
        self.uids = [uids[number] for number in order.tolist()]
        self.servers: Indices = servers[order]
        self.stopping: Mask = np.array(stopping, np.bool_)[order]
        self.kind_of: Codes = kind_of[order]
        self.starts: list[int] = np.searchsorted(self.servers, np.arange(len(fleet) + 1)).tolist()
        self.priorities: Amounts = np.array([kind.load.priority for kind in self.kinds], np.int64)[self.kind_of]

    def __len__(self) -> int:
        return len(self.uids)

    def mask(self, test: Callable[[Kind], bool]) -> Mask:
        """The rows whose kind passes a test."""
        return np.array([test(kind) for kind in self.kinds], np.bool_)[self.kind_of]

    @cached_property
    def rows(self) -> dict[str, int]:
        """The rows by uid."""
        return {uid: row for row, uid in enumerate(self.uids)}

    @cached_property
    def by_uid(self) -> Indices:
        """The place of each row in the order of uids."""
        places = np.empty(len(self), np.intp)
        places[sorted(range(len(self)), key=self.uids.__getitem__)] = np.arange(len(self))
        return places


def _kinds(loads: Sequence[Load], counted: Sequence[bool]) -> tuple[list[Kind], Codes]:
    """The kinds, and which each of the instances is of. Collections are told apart by identity, which is fast: kinds
    that differ may take the same."""
    same = (map(id, map(attrgetter(name), loads)) for name in ("requests", "quota", "ports", "repels"))
    parts = zip(map(attrgetter("group"), loads), map(attrgetter("priority"), loads), *same, counted, strict=True)
    seen: dict[tuple[object, ...], int] = {}
    first_alike = np.fromiter(map(seen.setdefault, parts, count()), np.intp, len(loads))
    firsts, kind_of = np.unique(first_alike, return_inverse=True)
    return [Kind(loads[first], counted[first]) for first in firsts.tolist()], kind_of
