"""Preemption: places for instances of which a filter says that others are in their way.

Of all servers that is chosen whose victims' highest priority is the lowest; among equals the one with the fewest
victims, then with the lowest sum of their priorities, then one on which the instance can be created at once, then the
one with the highest score, then the first by name. It is the order of Kubernetes with the number before the sum, and
without disruption budgets, which are never overdrawn here:
https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
"""

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

import numpy as np

from starlink.scheduling import score
from starlink.scheduling.arrays import Indices
from starlink.scheduling.ask import Ask
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.preemption.bounds import NOBODY, least
from starlink.scheduling.preemption.choices import Choice, Choices
from starlink.scheduling.preemption.lacks import beyond_mending
from starlink.scheduling.preemption.leavers import Leaver
from starlink.scheduling.preemption.roster import Roster
from starlink.scheduling.rules import concerns_itself
from starlink.scheduling.score import Scores
from starlink.scheduling.watermarks import below

_MOST_COMPARED = 64


@dataclass(frozen=True, slots=True)
class Preemption:
    """A place for one instance. `victims` are to be stopped, wherever they are. The instance may be created now, and
    may start once the victims that are on its own server have stopped, and `wait_for`: those there that were stopping
    before. One that `waits` may not be created before all of them have stopped, wherever they are: its pool's quota has
    no room until then. `borrows`: its pool takes more than its own quota with it."""

    server: int
    victims: tuple[str, ...]
    wait_for: tuple[str, ...] = ()
    waits: bool = False
    borrows: bool = False


def preempt(
    fleet: Fleet,
    ask: Ask,
    count: int,
    budgets: Mapping[str, int],
    told: Collection[str] = frozenset(),
    roster: Roster | None = None,
    gangs: Collection[str] = frozenset(),
) -> list[Preemption]:
    """Places for up to `count` more instances, which are charged to the fleet, also those that wait; all or none for a
    gang, of which all wait if one does.

    Takes how many of each group may be disrupted now (a group that is absent: none), the uids of those who were
    told to go earlier in the round and are not known as stopping to the fleet, and the roster of the fleet, if it has
    been made. Of the groups in `gangs` all go if one does, for the same instance; the budget of one allows for all of
    it, or for none. Victims stay charged, to their server and to their quota.

    Raises RuntimeError outside a trial of the fleet.
    """
    if count < 1 or not len(fleet):
        return []
    with fleet.trial():
        choices = Choices(fleet, roster or Roster(fleet), ask, budgets, told, gangs)
        found = list(islice(_Search(fleet, ask, choices), count))
    if not found or (ask.gang and len(found) < count):
        return []
    fleet.place(np.array([one.server for one in found], np.intp), ask.load)
    if ask.gang and any(one.waits for one in found):
        return [replace(one, waits=True) for one in found]
    return found


class _Key(NamedTuple):
    """How a server ranks, the lowest first."""

    highest: int
    number: int
    total: int
    waits: bool
    demerit: float
    server: int


class _Search:
    """Servers wait in a heap by the least that their victims could be. The choice of the first is worked out, and it
    wins if it is no worse than the least of the next."""

    def __init__(self, fleet: Fleet, ask: Ask, choices: Choices) -> None:
        self._fleet, self._ask, self._choices = fleet, ask, choices
        self._may_open = any(not lack.lasts for lack in choices.lacks)
        self._is_close = any(concerns_itself(ask, term) for term in ask.affinity)
        self._open = beyond_mending(fleet, ask)
        self._scores = _scores(fleet, ask, np.arange(len(fleet)))
        self._heap = self._least()

    def _least(self) -> list[_Key]:
        bounds = least(len(self._fleet), self._choices.lacks, self._choices.leavers)
        servers = bounds.possible[self._open[bounds.possible]]
        columns = (bounds.highest, bounds.number, bounds.total, np.zeros(len(self._fleet), np.bool_), -self._scores)
        heap = list(map(_Key, *(column[servers].tolist() for column in columns), servers.tolist()))
        heapq.heapify(heap)
        return heap

    def __iter__(self) -> Iterator[Preemption]:
        while (choice := self._best()) is not None:
            self._commit(choice)
            awaited = _uids(choice.awaited)
            yield Preemption(choice.server, _uids(choice.victims), awaited, choice.waits, choice.borrows)

    def _best(self) -> Choice | None:
        """Where quotas are short, what one server needs says little of the next, and only some are compared."""
        best: tuple[_Key, Choice] | None = None
        later: list[_Key] = []
        while self._heap and (best is None or self._heap[0] < best[0]) and len(later) < self._most():
            bound = heapq.heappop(self._heap)
            choice = self._choices.of(bound.server) if self._open[bound.server] else None
            if choice is not None:
                key = self._key(choice)
                later.append(bound if self._choices.limits else key)
                best = (key, choice) if best is None or key < best[0] else best
            elif self._may_open:
                later.append(bound)
        for key in later:
            if best is None or key.server != best[0].server:
                heapq.heappush(self._heap, key)
        return best and best[1]

    def _most(self) -> int:
        return _MOST_COMPARED if self._choices.limits and not self._may_open else len(self._fleet) + 1

    def _key(self, choice: Choice) -> _Key:
        priorities = [one.load.priority for one in choice.victims]
        highest = max(priorities, default=NOBODY)
        demerit = -float(self._scores[choice.server])
        return _Key(highest, len(priorities), sum(priorities), choice.waits, demerit, choice.server)

    def _commit(self, choice: Choice) -> None:
        self._fleet.place(np.array([choice.server]), self._ask.load)
        self._choices.commit(choice)
        if self._is_close:
            self._open = beyond_mending(self._fleet, self._ask)
        self._open = self._open & below(self._fleet)
        for changed in {choice.server, *(one.server for one in choice.victims)}:
            self._rank_anew(changed)

    def _rank_anew(self, server: int) -> None:
        """What its victims give back may be more than is needed: nothing is known of the server's next choice."""
        one = np.array([server])
        self._scores[one] = _scores(self._fleet, self._ask, one)
        heapq.heappush(self._heap, _Key(NOBODY, 0, 0, False, -np.inf, server))


def _uids(leavers: Sequence[Leaver]) -> tuple[str, ...]:
    return tuple(sorted(one.uid for one in leavers))


def _scores(fleet: Fleet, ask: Ask, servers: Indices) -> Scores:
    """What the servers are to an instance now, with all that is there."""
    standing, company = score.standing(fleet, ask)[servers], score.company(fleet, ask)
    present = fleet.groups.get(ask.load.group, {})
    own = np.array([present.get(index, 0) for index in servers.tolist()], np.float64)
    scores: Scores = standing + score.filled(fleet, ask, servers, 0, own).scores
    return scores if company is None else scores + company[servers]
