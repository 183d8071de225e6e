"""The filters, in the order in which they are counted; each says which servers it keeps."""

from collections.abc import Callable

import numpy as np

from starlink.scheduling.ask import Ask, Toleration
from starlink.scheduling.fleet import Fleet, Mask, Taint


def _ready(fleet: Fleet, _ask: Ask) -> Mask:
    return fleet.ready


def _schedulable(fleet: Fleet, _ask: Ask) -> Mask:
    return fleet.schedulable


def _pool(fleet: Fleet, ask: Ask) -> Mask:
    return fleet.mask(lambda _: True) if not ask.pool else fleet.pool == ask.pool


def _pool_architecture(fleet: Fleet, _ask: Ask) -> Mask:
    return fleet.pool_takes


def _architecture(fleet: Fleet, ask: Ask) -> Mask:
    wanted = frozenset(ask.architectures)
    return fleet.mask(lambda node: not wanted or node.architecture in wanted)


def _selector(fleet: Fleet, ask: Ask) -> Mask:
    wanted = tuple(ask.selector.items())
    return fleet.mask(lambda node: all(node.labels.get(key) == value for key, value in wanted))


def _taints(fleet: Fleet, ask: Ask) -> Mask:
    return fleet.mask(lambda node: all(tolerated(taint, ask.tolerations) for taint in node.taints))


def _cpu(fleet: Fleet, ask: Ask) -> Mask:
    return fleet.free_cpu >= ask.cpu


def _memory(fleet: Fleet, ask: Ask) -> Mask:
    return fleet.free_memory >= ask.memory


def _ports(fleet: Fleet, ask: Ask) -> Mask:
    free = (ask.ports.isdisjoint(ports) for ports in fleet.ports)
    return np.fromiter(free, np.bool_, len(fleet))


FILTERS: tuple[tuple[str, Callable[[Fleet, Ask], Mask]], ...] = (
    ("Ready", _ready),
    ("Schedulable", _schedulable),
    ("Pool", _pool),
    ("PoolArchitecture", _pool_architecture),
    ("Architecture", _architecture),
    ("Selector", _selector),
    ("Taints", _taints),
    ("Cpu", _cpu),
    ("Memory", _memory),
    ("Ports", _ports),
)


def tolerated(taint: Taint, tolerations: tuple[Toleration, ...]) -> bool:
    """Whether one of the tolerations puts up with the taint.

    https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
    """
    return any(
        (toleration.key is None or toleration.key == taint.key)
        and (toleration.effect is None or toleration.effect == taint.effect)
        and (toleration.operator == "Exists" or toleration.value == taint.value)
        for toleration in tolerations
    )
