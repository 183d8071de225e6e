"""Why an instance can't be placed: per filter how many servers, the best one, and the way out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from starlink.scheduling.ask import Ask
from starlink.scheduling.filters import FILTERS
from starlink.scheduling.fleet import Fleet, Mask


@dataclass(frozen=True, slots=True)
class Refusal:
    """`removed` as data, `message` for a person."""

    removed: tuple[tuple[str, int], ...]
    message: str


def explain(fleet: Fleet, ask: Ask, removed: Sequence[tuple[str, int]]) -> Refusal:
    """The refusal of one more instance."""
    return Refusal(tuple(removed), _message(fleet, ask, removed))


def _message(fleet: Fleet, ask: Ask, removed: Sequence[tuple[str, int]]) -> str:
    if ask.pool and ask.pool not in fleet.pools:
        known = ", ".join(fleet.pools) or "none"
        return f"pool {ask.pool!r} does not exist (pools: {known}); create it, or name another in placement.pool"
    if not len(fleet):
        return "no server has registered yet; start an agent with `starlink agent`"
    counted = [(name, count) for name, count in removed if count]
    reasons = ", ".join(f"{count} {_why(name, fleet, ask)}" for name, count in counted)
    return f"0 of {len(fleet)} servers fit: {reasons}; {_way_out(fleet, ask, counted)}"


def _why(name: str, fleet: Fleet, ask: Ask) -> str:
    match name:
        case "Ready":
            return "not ready"
        case "Schedulable":
            return "cordoned or leaving"
        case "Pool":
            return f"outside pool {ask.pool}"
        case "PoolArchitecture":
            return "of an architecture that their pool does not take"
        case "Architecture":
            return f"of another architecture (wants {', '.join(ask.architectures)})"
        case "Selector":
            return f"without the labels {_labels(ask)}"
        case "Taints":
            return "with a taint that is not tolerated"
        case "Cpu":
            return f"short of cpu (asks {_cores(ask.cpu)}, {_most(fleet, ask, 'cpu')})"
        case "Memory":
            return f"short of memory (asks {_mebibytes(ask.memory)}, {_most(fleet, ask, 'memory')})"
        case _:
            return f"with port {', '.join(map(str, sorted(ask.ports)))} taken"


def _most(fleet: Fleet, ask: Ask, resource: str) -> str:
    free = fleet.free_cpu if resource == "cpu" else fleet.free_memory
    usable = np.where(_otherwise_fit(fleet, ask), free, -1)
    best = int(np.argmax(usable))
    amount = max(int(usable[best]), 0)
    shown = _cores(amount) if resource == "cpu" else _mebibytes(amount)
    return f"the most free is {shown} on {fleet.names[best]}"


def _otherwise_fit(fleet: Fleet, ask: Ask) -> Mask:
    """The servers that pass every filter but those of capacity and ports."""
    fit = np.ones(len(fleet), np.bool_)
    for name, keeps in FILTERS:
        if name not in ("Cpu", "Memory", "Ports"):
            fit &= keeps(fleet, ask)
    return fit


def _way_out(fleet: Fleet, ask: Ask, counted: Sequence[tuple[str, int]]) -> str:
    """The smallest change that would fit: at the filter that was the last to remove a server."""
    last = counted[-1][0] if counted else "Ready"
    match last:
        case "Cpu":
            return "ask less cpu, stop something, or add a server"
        case "Memory":
            return "ask less memory, stop something, or add a server"
        case "Ports":
            return "give port 0 to have one picked, ask fewer instances, or add a server"
        case "Taints":
            return "tolerate the taint in placement.tolerations, or take it off a server"
        case "Selector":
            return f"label a server {_labels(ask)}, or change placement.serverSelector"
        case "Architecture":
            return f"add a server of {' or '.join(ask.architectures)}, or an artifact variant for what is there"
        case "PoolArchitecture":
            return "add the architecture to the pool, or name another pool"
        case "Pool":
            return (
                f'move a server with `kubectl patch server NAME --type merge -p \'{{"spec":{{"pool":"{ask.pool}"}}}}\'`'
            )
        case "Schedulable":
            return "uncordon a server (spec.unschedulable: false), or add one"
        case _:
            return "bring a server's agent back, or add a server"


def _labels(ask: Ask) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(ask.selector.items()))


def _cores(millicores: int) -> str:
    return str(millicores // 1000) if millicores % 1000 == 0 else f"{millicores}m"


def _mebibytes(count: int) -> str:
    return f"{count // (1024 * 1024)}Mi" if count >= 1024 * 1024 else str(count)
