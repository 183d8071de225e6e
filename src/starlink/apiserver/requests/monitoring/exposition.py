"""The metrics in Prometheus' text format; names as the real API server's where it has one.

To be imported only when somebody asks: the library brings an HTTP server with it, and takes megabytes.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from starlink.apiserver.requests.monitoring.metrics import Metrics

MEDIA = "text/plain; version=0.0.4; charset=utf-8"


class Exposition(Collector):
    """Tells what `metrics` counted, and how the process is."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """What the library asks for."""
        yield self._told_requests()
        yield self._told_durations()
        yield from self._told_store()
        for name, (about, value) in self._metrics.gauges.items():
            yield GaugeMetricFamily(name, about, value())

    def _told_requests(self) -> Metric:
        about = "Requests answered, by verb, resource and code."
        labels = ("verb", "group", "resource", "subresource", "code")
        requests = CounterMetricFamily("apiserver_request", about, labels=labels)
        for (*names, code), count in sorted(self._metrics.requests.items()):
            requests.add_metric((*names, str(code)), count)
        return requests

    def _told_durations(self) -> Metric:
        about = "How long requests took that were no watches."
        seconds = HistogramMetricFamily("apiserver_request_duration_seconds", about, labels=("verb",))
        for verb, durations in sorted(self._metrics.durations.items()):
            seconds.add_metric((verb,), durations.buckets(), durations.sum)
        return seconds

    def _told_store(self) -> Iterator[Metric]:
        store = self._metrics.store
        objects = GaugeMetricFamily("apiserver_storage_objects", "Objects stored, by resource.", labels=("resource",))
        for resource in store.resources():
            objects.add_metric((resource,), len(store.list(resource)))
        yield objects
        yield GaugeMetricFamily("apiserver_storage_revision", "The store's last revision.", store.revision)
