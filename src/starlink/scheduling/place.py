"""Placing: identical instances as one batch, each where it ranks first."""

import heapq
from dataclasses import dataclass

import numpy as np

from starlink.scheduling.ask import Ask
from starlink.scheduling.explain import Refusal, explain
from starlink.scheduling.filters import FILTERS
from starlink.scheduling.fleet import Fleet, Mask


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the instances go, in order; `refusal` says why there are fewer than asked. `removed` counts, for each
    filter, the servers that it was the first to remove before anything was placed."""

    servers: tuple[str, ...]
    removed: tuple[tuple[str, int], ...]
    refusal: Refusal | None = None


def place(fleet: Fleet, ask: Ask, count: int) -> Placed:
    """Places up to `count` instances and charges them to the fleet."""
    left, removed = _feasible(fleet, ask)
    servers = _fill(fleet, ask, left, count)
    if len(servers) == count:
        return Placed(servers, removed)
    _, removed_after = _feasible(fleet, ask)
    return Placed(servers, removed, explain(fleet, ask, removed_after))


def _feasible(fleet: Fleet, ask: Ask) -> tuple[Mask, tuple[tuple[str, int], ...]]:
    """The servers that every filter keeps, and how many each removed that none before it had."""
    left = np.ones(len(fleet), np.bool_)
    removed = []
    for name, keeps in FILTERS:
        kept = left & keeps(fleet, ask)
        removed.append((name, int(left.sum() - kept.sum())))
        left = kept
    return left, tuple(removed)


Rank = tuple[float, float, int]


def _fill(fleet: Fleet, ask: Ask, feasible: Mask, count: int) -> tuple[str, ...]:
    """Takes the first in rank, again and again; ties go by name."""
    fullness = fleet.fullness()
    own = {int(index): ask.own.get(fleet.names[index], 0) for index in np.flatnonzero(feasible)}
    heap = [_rank(ask, float(fullness[index]), placed, index) for index, placed in own.items()]
    heapq.heapify(heap)
    chosen: list[str] = []
    while heap and len(chosen) < count:
        index = heapq.heappop(heap)[-1]
        fleet.charge(index, ask.cpu, ask.memory, ask.ports)
        own[index] += 1
        chosen.append(fleet.names[index])
        if not ask.ports and fleet.free_cpu[index] >= ask.cpu and fleet.free_memory[index] >= ask.memory:
            heapq.heappush(heap, _rank(ask, _fullness(fleet, index), own[index], index))
    return tuple(chosen)


def _rank(ask: Ask, fullness: float, own: int, index: int) -> Rank:
    """Pack: the fullest first. Spread: the fewest instances of the task, then the emptiest."""
    return (-fullness, 0.0, index) if ask.strategy == "Pack" else (float(own), fullness, index)


def _fullness(fleet: Fleet, index: int) -> float:
    cpu = 1 - fleet.free_cpu[index] / max(fleet.cpu[index], 1)
    memory = 1 - fleet.free_memory[index] / max(fleet.memory[index], 1)
    return float(max(cpu, memory))
