"""What of a task's or a pool's spec can't be used, whatever let it in. Pure.

The CRDs refuse most of it at the door; another API server, or a CRD of an earlier version, may not have.
"""

import math
from collections.abc import Iterator, Mapping

from starlink.api import duration, quantity
from starlink.api.pool import Pool, Quota, Watermark
from starlink.api.quantity import Quantity
from starlink.api.task import Task
from starlink.api.template import Probe, Template

_MOST = 2**31 - 1
_MOST_PERCENT = 1000
_RESOURCES = {"storage": "ephemeral-storage"}


def task_fault(task: Task) -> str:
    """The first field that can't be used, with its value and what would be right; "" when all can."""
    return next(_of_task(task), "")


def pool_fault(pool: Pool) -> str:
    """The same of a pool."""
    return next(_of_pool(pool), "")


def _of_task(task: Task) -> Iterator[str]:
    spec, placement = task.spec, task.spec.placement
    yield from _of_template(spec.template)
    yield from _count("spec.replicas", spec.replicas)
    yield from _count("spec.completions", spec.completions)
    yield from _count("spec.parallelism", spec.parallelism)
    yield from _count("spec.retries", spec.retries)
    for number, server in enumerate(spec.servers):
        yield from _count(f"spec.servers[{number}].replicas", server.replicas)
    yield from _count("spec.placement.priority", placement.priority, -_MOST)
    for number, spread in enumerate(placement.spread):
        yield from _count(f"spec.placement.spread[{number}].maxSkew", spread.max_skew, 1)
    for name, terms in (("affinity", placement.affinity), ("antiAffinity", placement.anti_affinity)):
        for number, term in enumerate(terms):
            yield from _count(f"spec.placement.{name}[{number}].weight", term.weight, 1)
    yield from _duration("spec.placement.lostAfter", placement.lost_after)
    yield from _duration("spec.deadline", spec.deadline)
    yield from _duration("spec.update.minReadyTime", spec.update.min_ready_time)
    yield from _unavailable(task)
    yield from _no_variant(task)


def _of_template(template: Template) -> Iterator[str]:
    at = "spec.template"
    yield from _amounts(f"{at}.resources.requests", template.resources.requests)
    yield from _amounts(f"{at}.logs", {"maxSize": template.logs.max_size})
    yield from _count(f"{at}.restart.limit", template.restart.limit)
    yield from _duration(f"{at}.restart.backoff.initial", template.restart.backoff.initial)
    yield from _duration(f"{at}.restart.backoff.max", template.restart.backoff.max)
    yield from _duration(f"{at}.stop.gracePeriod", template.stop.grace_period)
    for port in template.ports:
        yield from _count(f"{at}.ports[{port.name}].port", port.port, 0, 65535)
    probes = template.probes
    for name, probe in (("startup", probes.startup), ("liveness", probes.liveness), ("readiness", probes.readiness)):
        if probe is not None:
            yield from _of_probe(f"{at}.probes.{name}", probe)


def _of_probe(at: str, probe: Probe) -> Iterator[str]:
    yield from _duration(f"{at}.initialDelay", probe.initial_delay)
    yield from _duration(f"{at}.period", probe.period)
    yield from _duration(f"{at}.timeout", probe.timeout)
    yield from _count(f"{at}.successThreshold", probe.success_threshold, 1)
    yield from _count(f"{at}.failureThreshold", probe.failure_threshold, 1)


def _of_pool(pool: Pool) -> Iterator[str]:
    spec = pool.spec
    yield from _quota("spec.quota", spec.quota)
    yield from _quota("spec.lend", spec.lend)
    yield from _quota("spec.borrow", spec.borrow or Quota())
    yield from _watermark("spec.watermarks.cpu", spec.watermarks.cpu)
    yield from _watermark("spec.watermarks.memory", spec.watermarks.memory)
    yield from _count("spec.overcommit.cpu", spec.overcommit.cpu, 100, _MOST_PERCENT)
    for name in spec.weights.__struct_fields__:
        yield from _count(f"spec.weights.{name}", getattr(spec.weights, name), 0, _MOST_PERCENT)


def _quota(at: str, quota: Quota) -> Iterator[str]:
    given = {"cpu": quota.cpu, "memory": quota.memory, "gpu": quota.gpu, "storage": quota.storage}
    yield from _amounts(at, {name: value for name, value in given.items() if value is not None})
    yield from _count(f"{at}.assignments", quota.assignments)


def _watermark(at: str, mark: Watermark | None) -> Iterator[str]:
    if mark is not None:
        yield from _count(f"{at}.high", mark.high, 0, _MOST_PERCENT)
        yield from _count(f"{at}.low", mark.low, 0, _MOST_PERCENT)


def _amounts(at: str, given: Mapping[str, Quantity]) -> Iterator[str]:
    for name, value in given.items():
        try:
            quantity.amount(_RESOURCES.get(name, name), value)
        except ValueError as error:
            yield f"{at}.{name}: {error}"


def _count(at: str, value: int | None, least: int = 0, most: int = _MOST) -> Iterator[str]:
    if value is not None and not least <= value <= most:
        yield f"{at}: {value} is out of range; write a number from {least} to {most}"


def _duration(at: str, value: str | None) -> Iterator[str]:
    if value is None:
        return
    try:
        if math.isfinite(duration.seconds(value)):
            return
        yield f"{at}: {value} is too long; write one such as 30s or 24h"
    except ValueError as error:
        yield f"{at}: {error}"


def _unavailable(task: Task) -> Iterator[str]:
    try:
        yield from _count("spec.update.maxUnavailable", task.max_unavailable(1))
    except ValueError as error:
        yield f"spec.{error}"


def _no_variant(task: Task) -> Iterator[str]:
    artifact, wanted = task.spec.template.artifact, task.spec.placement.architectures
    if artifact is not None and artifact.variants and wanted and not task.architectures:
        packed = ", ".join(variant.architecture for variant in artifact.variants)
        yield (
            f"spec.placement.architectures: {', '.join(wanted)} has none of template.artifact.variants ({packed}); "
            "add a variant, or name an architecture that has one"
        )
