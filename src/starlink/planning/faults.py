"""What of a task's or a pool's spec can't be used, whatever let it in. Pure.

The CRDs refuse most of it at the door; another API server, or a CRD of an earlier version, may not have.
"""

from collections.abc import Iterator
from functools import partial

from starlink.api import quantity, template_faults
from starlink.api.checks import MOST, Check, first, length_of_time, within
from starlink.api.pool import Pool, Quota, Watermark
from starlink.api.task import Task, TaskSpec

_MOST_PERCENT = 1000
_RESOURCES = {"storage": "ephemeral-storage"}


def task_fault(task: Task) -> str:
    """The first field that can't be used, with its value and what would be right; "" when all can."""
    return first(_of_task(task))


def pool_fault(pool: Pool) -> str:
    """The same of a pool."""
    return first(_of_pool(pool))


def _of_task(task: Task) -> Iterator[Check]:
    spec, placement = task.spec, task.spec.placement
    yield from template_faults.checks("spec.template", spec.template)
    if spec.template.runtime != "Driver":
        yield "spec.hostPorts", partial(_no_host_ports, spec)
    for number, port in enumerate(spec.host_ports):
        yield f"spec.hostPorts[{number}]", partial(within, port, 1, template_faults.LAST_PORT)
    yield "spec.replicas", partial(within, spec.replicas)
    yield "spec.completions", partial(within, spec.completions)
    yield "spec.parallelism", partial(within, spec.parallelism)
    yield "spec.retries", partial(within, spec.retries)
    for number, server in enumerate(spec.servers):
        yield f"spec.servers[{number}].replicas", partial(within, server.replicas)
    yield "spec.placement.priority", partial(within, placement.priority, -MOST)
    for number, spread in enumerate(placement.spread):
        yield f"spec.placement.spread[{number}].maxSkew", partial(within, spread.max_skew, 1)
    for name, terms in (("affinity", placement.affinity), ("antiAffinity", placement.anti_affinity)):
        for number, term in enumerate(terms):
            yield f"spec.placement.{name}[{number}].weight", partial(within, term.weight, 1)
    yield "spec.placement.lostAfter", partial(length_of_time, placement.lost_after)
    yield "spec.deadline", partial(length_of_time, spec.deadline)
    yield "spec.update.minReadyTime", partial(length_of_time, spec.update.min_ready_time)
    yield "spec.update.maxUnavailable", lambda: within(task.max_unavailable(1))
    yield "spec.placement.architectures", partial(_variant, task)


def _of_pool(pool: Pool) -> Iterator[Check]:
    spec = pool.spec
    yield from _quota("spec.quota", spec.quota)
    yield from _quota("spec.lend", spec.lend)
    yield from _quota("spec.borrow", spec.borrow or Quota())
    yield from _watermark("spec.watermarks.cpu", spec.watermarks.cpu)
    yield from _watermark("spec.watermarks.memory", spec.watermarks.memory)
    yield "spec.overcommit.cpu", partial(within, spec.overcommit.cpu, 100, _MOST_PERCENT)
    for name in spec.weights.__struct_fields__:
        yield f"spec.weights.{name}", partial(within, getattr(spec.weights, name), 0, _MOST_PERCENT)


def _quota(at: str, quota: Quota) -> Iterator[Check]:
    given = {"cpu": quota.cpu, "memory": quota.memory, "gpu": quota.gpu, "storage": quota.storage}
    for name, value in given.items():
        if value is not None:
            yield f"{at}.{name}", partial(quantity.amount, _RESOURCES.get(name, name), value)
    yield f"{at}.assignments", partial(within, quota.assignments)


def _watermark(at: str, mark: Watermark | None) -> Iterator[Check]:
    if mark is not None:
        yield f"{at}.high", partial(within, mark.high, 0, _MOST_PERCENT)
        yield f"{at}.low", partial(within, mark.low, 0, _MOST_PERCENT)


def _no_host_ports(spec: TaskSpec) -> None:
    if spec.host_ports:
        raise ValueError(f"runtime {spec.template.runtime} has {spec.host_ports[0]}; give it in template.ports")


def _variant(task: Task) -> None:
    """An artifact with a variant for one of the architectures that the task may run on."""
    artifact, wanted = task.spec.template.artifact, task.spec.placement.architectures
    if artifact is not None and artifact.variants and wanted and not task.architectures:
        packed = ", ".join(variant.architecture for variant in artifact.variants)
        raise ValueError(
            f"{', '.join(wanted)} has none of template.artifact.variants ({packed}); "
            "add a variant, or name an architecture that has one"
        )
