"""What is counted of the requests, and what else `/metrics` tells.

Counting happens with every request and telling seldom, so that what is counted lies in dictionaries, of which
`exposition` makes text.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from itertools import accumulate

from starlink.apiserver.requests.route import Route
from starlink.apiserver.resources.resource import Registry
from starlink.store.base import Store

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_NAMES = (*map(str, _BOUNDS), "+Inf")
_NO_RESOURCE = ("other", "", "other", "")


class Durations:
    """How long the requests of one verb took, in seconds."""

    def __init__(self) -> None:
        self.counts = [0] * len(_NAMES)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(_BOUNDS, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, int]]:
        """Each holds what lies below its bound."""
        return list(zip(_NAMES, accumulate(self.counts), strict=True))


class Metrics:
    """The metrics of one API server. Labels are of what is served, never of what a client made up; the counts of a
    resource go when it is served no more.

    `requests` counts by verb, group, resource, subresource and code; `gauges` are by name what they are about and how
    to get their value.
    """

    def __init__(self, store: Store, registry: Registry) -> None:
        self.store = store
        self._registry = registry
        self._generation = registry.generation
        self.requests: Counter[tuple[str, str, str, str, int]] = Counter()
        self.durations: dict[str, Durations] = {}
        self.gauges: dict[str, tuple[str, Callable[[], int]]] = {}

    def answered(self, asked: Route | None, code: int, seconds: float) -> None:
        """A request was answered with `code` after `seconds`; `asked` None for a path that is no resource."""
        if asked is None:
            self.requests[*_NO_RESOURCE, code] += 1
            return
        if self._generation != self._registry.generation:
            self._forget_withdrawn()
        resource, verb = asked.resource, asked.verb
        self.requests[verb, resource.group, resource.plural, asked.subresource, code] += 1
        if verb != "watch":
            durations = self.durations.get(verb)
            if durations is None:
                durations = self.durations[verb] = Durations()
            durations.add(seconds)

    def _forget_withdrawn(self) -> None:
        self._generation = self._registry.generation
        served = {(resource.group, resource.plural) for resource in self._registry.all()} | {_NO_RESOURCE[1:3]}
        self.requests = Counter({key: count for key, count in self.requests.items() if key[1:3] in served})

    def gauge(self, name: str, about: str, value: Callable[[], int]) -> None:
        """Has another value told, as it is when somebody asks."""
        self.gauges[name] = (about, value)
