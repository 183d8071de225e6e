"""How well instances were placed: one pure function for whoever placed them."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import comb

from bench.kube.workloads import Workload


@dataclass(frozen=True, slots=True)
class Placed:
    """Where one instance is bound to; its workload, the number of its set, and the millicores that it asks for."""

    server: str
    workload: str
    set: int
    cpu: int


@dataclass(frozen=True, slots=True)
class Quality:
    """Of a workload's instances: `unevenness` is by how many the servers that were open to them differ; `skew` by how
    many of one set their zones do, in the worst set; `together` counts pairs that share a server and were to keep away
    from each other. Of all instances: `use` is the share of those servers' CPU that is asked for, `overfull` how many
    servers were given more than they have."""

    unevenness: int
    skew: int
    together: int
    use: float
    overfull: int


def judge(placed: Collection[Placed], workload: Workload, zones: Mapping[str, str], millicores: int) -> Quality:
    """Judges all that is placed on servers of `zones` (by name) that have so many millicores each."""
    open_ = [server for server, zone in zones.items() if workload.zone in ("", zone)]
    own = [one for one in placed if one.workload == workload.name]
    asked: Counter[str] = Counter()
    for one in placed:
        asked[one.server] += one.cpu
    return Quality(
        unevenness=_range(Counter(one.server for one in own), open_),
        skew=_skew(own, zones),
        together=_together(own, workload),
        use=sum(asked[server] for server in open_) / (millicores * len(open_)),
        overfull=sum(amount > millicores for amount in asked.values()),
    )


def _range(counts: Mapping[str, int], names: Collection[str]) -> int:
    found = [counts.get(name, 0) for name in names]
    return max(found) - min(found)


def _skew(placed: Collection[Placed], zones: Mapping[str, str]) -> int:
    by_set: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for one in placed:
        by_set[one.set][zones[one.server]] += 1
    every = set(zones.values())
    return max((_range(counts, every) for counts in by_set.values()), default=0)


def _together(placed: Collection[Placed], workload: Workload) -> int:
    if not workload.apart:
        return 0
    here = Counter((one.server, one.set // workload.apart) for one in placed)
    return sum(comb(count, 2) for count in here.values())
