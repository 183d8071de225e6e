"""What `/metrics` tells, in Prometheus' text format; names as the real API server's where it has one.

Counting happens with every request and telling seldom, so that what is counted lies in dictionaries, and the library
makes its text of them when it is asked.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from starlink.apiserver.route import Route
from starlink.store.base import Store

MEDIA = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_NAMES = (*map(str, _BOUNDS), "+Inf")
_NO_RESOURCE = ("other", "", "other", "")


class _Durations:
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


class Metrics(Collector):
    """The metrics of one API server. Labels are of what is served, never of what a client made up."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._requests: Counter[tuple[str, str, str, str, int]] = Counter()
        self._durations: dict[str, _Durations] = {}
        self._gauges: dict[str, tuple[str, Callable[[], int]]] = {}
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def answered(self, asked: Route | None, code: int, seconds: float) -> None:
        """A request was answered with `code` after `seconds`; `asked` None for a path that is no resource."""
        if asked is None:
            self._requests[*_NO_RESOURCE, code] += 1
            return
        resource, verb = asked.resource, asked.verb
        self._requests[verb, resource.group, resource.plural, asked.subresource, code] += 1
        if verb != "watch":
            durations = self._durations.get(verb)
            if durations is None:
                durations = self._durations[verb] = _Durations()
            durations.add(seconds)

    def gauge(self, name: str, about: str, value: Callable[[], int]) -> None:
        """Has another value told, as it is when somebody asks."""
        self._gauges[name] = (about, value)

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """What the library asks for."""
        yield from self._told_requests()
        objects = GaugeMetricFamily("apiserver_storage_objects", "Objects stored, by resource.", labels=("resource",))
        for resource in self._store.resources():
            objects.add_metric((resource,), len(self._store.list(resource)))
        yield objects
        yield GaugeMetricFamily("apiserver_storage_revision", "The store's last revision.", self._store.revision)
        for name, (about, value) in self._gauges.items():
            yield GaugeMetricFamily(name, about, value())

    def _told_requests(self) -> Iterator[Metric]:
        about = "Requests answered, by verb, resource and code."
        requests = CounterMetricFamily(
            "apiserver_request", about, labels=("verb", "group", "resource", "subresource", "code")
        )
        for (*labels, code), count in sorted(self._requests.items()):
            requests.add_metric((*labels, str(code)), count)
        yield requests
        about = "How long requests took that were no watches."
        seconds = HistogramMetricFamily("apiserver_request_duration_seconds", about, labels=("verb",))
        for verb, durations in sorted(self._durations.items()):
            seconds.add_metric((verb,), durations.buckets(), durations.sum)
        yield seconds
