"""What runs on the servers of pools that would not take it now: a pool's spec moves nobody."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import nsmallest
from typing import NamedTuple

from starlink.api.pool import Pool
from starlink.planning.words import counted, is_or_are
from starlink.scheduling.fleet import Fleet

_MOST_NAMED = 3


class _Guests(NamedTuple):
    """So many instances of a task on a server."""

    task: str
    server: str
    number: int


def outsiders(fleet: Fleet, pools: Mapping[str, Pool]) -> dict[str, tuple[str, ...]]:
    """For each pool that has instances which its spec.namespaces or spec.architectures do not let in, what a person is
    told of them, by field. Instances that are lost or gone are none."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, guests in _of_closed_namespaces(fleet, pools).items():
        found[name].append(_in_words("namespaces", pools[name].spec.namespaces, guests))
    for name, guests in _of_other_architectures(fleet, pools).items():
        found[name].append(_in_words("architectures", pools[name].spec.architectures, guests))
    return {name: tuple(told) for name, told in found.items()}


def _of_closed_namespaces(fleet: Fleet, pools: Mapping[str, Pool]) -> dict[str, list[_Guests]]:
    """In one walk over all, for pools are looked at every second."""
    found: dict[str, list[_Guests]] = defaultdict(list)
    if not any(pool.spec.namespaces for pool in pools.values()):
        return found
    codes: list[int] = fleet.pool_codes.tolist()
    closed: dict[str, frozenset[int]] = {}
    for task, held in fleet.groups.items():
        namespace = task.partition("/")[0]
        if namespace not in closed:
            closed[namespace] = frozenset(_closed_to(fleet, pools, namespace))
        if closed[namespace]:
            for server, number in held.items():
                if codes[server] in closed[namespace]:
                    pool = fleet.pool_names[codes[server]]
                    found[pool].append(_Guests(task, fleet.names[server], number))
    return found


def _closed_to(fleet: Fleet, pools: Mapping[str, Pool], namespace: str) -> Iterator[int]:
    for code, name in enumerate(fleet.pool_names):
        if name in pools and pools[name].spec.namespaces and namespace not in pools[name].spec.namespaces:
            yield code


def _of_other_architectures(fleet: Fleet, pools: Mapping[str, Pool]) -> dict[str, list[_Guests]]:
    found: dict[str, list[_Guests]] = defaultdict(list)
    taken = {name: pool.spec.architectures for name, pool in pools.items() if pool.spec.architectures}
    others = {
        number: node.pool
        for number, node in enumerate(fleet.nodes if taken else ())
        if node.pool in taken and node.architecture not in taken[node.pool] and fleet.instances[number]
    }
    if not others:
        return found
    for task, held in fleet.groups.items():
        for server, number in held.items():
            if server in others:
                found[others[server]].append(_Guests(task, fleet.names[server], number))
    return found


def _in_words(field: str, taken: Collection[str], guests: Sequence[_Guests]) -> str:
    number = sum(one.number for one in guests)
    first = nsmallest(_MOST_NAMED, guests)
    named = _some(
        (f"{one.number} of {one.task} on {one.server}" for one in first), number - sum(g.number for g in first)
    )
    lets_in = _some(list(taken)[:_MOST_NAMED], len(taken) - _MOST_NAMED)
    return f"{counted(number, 'instance')} {is_or_are(number)} here against spec.{field} ({lets_in}): {named}"


def _some(named: Iterable[str], more: int) -> str:
    return f"{', '.join(named)} and {more} more" if more > 0 else ", ".join(named)
