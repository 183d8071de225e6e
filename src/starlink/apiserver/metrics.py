"""What `/metrics` tells, in Prometheus' text format; names as the real API server's where it has one."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from starlink.apiserver.route import Route
from starlink.store.base import Store

MEDIA = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_OTHER = "other"


class Metrics:
    """The metrics of one API server. Labels are of what is served, never of what a client made up."""

    def __init__(self, store: Store, connections: Callable[[], int] = lambda: 0) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(_StoreCollector(store))
        self._requests = Counter(
            "apiserver_request",
            "Requests answered, by verb, resource and code.",
            ("verb", "group", "resource", "subresource", "code"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "apiserver_request_duration_seconds",
            "How long requests took that were no watches.",
            ("verb",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._watches = Gauge(
            "apiserver_longrunning_requests", "Watches open now, by resource.", ("resource",), registry=self._registry
        )
        open_now = Gauge("apiserver_connections", "Connections open now.", registry=self._registry)
        open_now.set_function(connections)

    def answered(self, asked: Route | None, code: int, seconds: float) -> None:
        """A request was answered with `code` after `seconds`; `asked` None for a path that is no resource."""
        if asked is None:
            self._requests.labels(_OTHER, "", _OTHER, "", str(code)).inc()
            return
        resource = asked.resource
        self._requests.labels(asked.verb, resource.group, resource.plural, asked.subresource, str(code)).inc()
        if asked.verb != "watch":
            self._seconds.labels(asked.verb).observe(seconds)

    def watching(self, asked: Route, change: int) -> None:
        """A watch began (1) or ended (-1)."""
        self._watches.labels(asked.resource.plural).inc(change)

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(self._registry)


class _StoreCollector(Collector):
    """Objects by resource, and the revision, as they are when asked."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> list[GaugeMetricFamily]:
        objects = GaugeMetricFamily("apiserver_storage_objects", "Objects stored, by resource.", labels=("resource",))
        for resource in self._store.resources():
            objects.add_metric((resource,), len(self._store.list(resource)))
        revision = GaugeMetricFamily("apiserver_storage_revision", "The store's last revision.")
        revision.add_metric((), self._store.revision)
        return [objects, revision]
