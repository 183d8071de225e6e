"""What servers that are not there would change: `starlink plan --pool NAME --add …`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

from starlink.api import labels, quantity
from starlink.api.meta import Metadata, ObjectKey
from starlink.api.quantity import RESOURCES, Quantity
from starlink.api.server import Server, ServerSpec, ServerStatus
from starlink.api.task import Task
from starlink.api.template import Architecture
from starlink.engine.foresight.preview import with_applied
from starlink.engine.foresight.scenario import Scenario, missing
from starlink.engine.rounds.placing import Found
from starlink.planning.examined import Examined
from starlink.planning.placement import PlacementResult
from starlink.planning.reasons import Unplaced
from starlink.planning.world import World
from starlink.scheduling.explaining.labelling import OF_THE_MACHINE, is_key, is_value

EXAMPLE = "arch=arm64,cpu=16,memory=64Gi"
MOST_SERVERS = 10_000
_IN_PARTS = ("cpu", "memory", "ephemeral-storage")
_NEEDED = ("arch", "cpu", "memory")
_IN_BYTES = ("memory", "ephemeral-storage")
_LEAST_BYTES = 2**20
_LARGEST = 2**50  # so that thousands of servers' sums stay within 64 bits
_NOTHING = Found(PlacementResult())


@dataclass(frozen=True, slots=True)
class Addition:
    """Some servers of a kind."""

    architecture: str
    allocatable: dict[str, Quantity]
    count: int = 1
    labels: dict[str, str] = field(default_factory=dict)
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """A task with instances that can't be placed now: how many are missing, how many still would be and why, and the
    added servers that the others would go to. `more`: it wants further ones after these."""

    task: ObjectKey
    missing: int
    still: int
    servers: tuple[str, ...]
    why: Unplaced | None
    more: bool = False


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The names given to the servers added, and the tasks that are short of a server, by name."""

    added: tuple[str, ...]
    outcomes: tuple[Outcome, ...]


def addition(text: str) -> Addition:
    """Reads `arch=arm64,cpu=16,memory=64Gi[,count=N][,label.KEY=VALUE][,feature=NAME][,NAME=QUANTITY]`.

    Raises ValueError naming the word and what would be right.
    """
    words: dict[str, str] = {}
    features: list[str] = []
    for word in text.split(","):
        name, equals, value = (part.strip() for part in word.partition("="))
        if not (name and equals and value):
            raise ValueError(f"{word!r} is not NAME=VALUE; write such as {EXAMPLE}")
        if name == "feature":
            features.append(value)
        elif name in words:
            raise ValueError(f"{name} is given twice; give it once")
        else:
            words[name] = value
    if absent := [name for name in _NEEDED if name not in words]:
        raise ValueError(
            f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} missing; write such as {EXAMPLE}"
        )
    return Addition(
        architecture=_architecture(words.pop("arch")),
        count=_count(words.pop("count", "1")),
        labels=dict(_label(name, words.pop(name)) for name in list(words) if name.startswith("label.")),
        features=tuple(features),
        allocatable={name: _amount(name, value) for name, value in words.items()},
    )


def _architecture(value: str) -> str:
    if value not in get_args(Architecture):
        raise ValueError(f"arch={value}: no such architecture; write {', '.join(get_args(Architecture))}")
    return value


def _count(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= MOST_SERVERS:
        raise ValueError(f"count={value}: write a number from 1 to {MOST_SERVERS}")
    return int(value)


def _amount(name: str, value: str) -> str:
    if name not in RESOURCES and "/" not in name:
        known = ", ".join(("arch", "count", *RESOURCES, "label.KEY", "feature"))
        raise ValueError(f"{name}={value}: no such word; write {known}, or DOMAIN/NAME for an extended resource")
    if name not in _IN_PARTS and not value.isdecimal():
        raise ValueError(f"{name}={value}: write a whole number")
    if "/" in name and not is_key(name):
        raise ValueError(f"{name}={value}: {name} is no name of a resource; write such as nvidia.com/gpu")
    try:
        counted = quantity.amount(name, value)
    except ValueError as error:
        raise ValueError(f"{name}={value}: {error}") from None
    if counted > _LARGEST or (not counted and name in _NEEDED):
        raise ValueError(f"{name}={value}: write more than 0, and at most {quantity.format_amount(name, _LARGEST)}")
    if name in _IN_BYTES and 0 < counted < _LEAST_BYTES:
        unit = f"{value}Gi" if value.isdecimal() else "64Gi"
        raise ValueError(f"{name}={value}: that is {counted} bytes; write a unit, such as {name}={unit}")
    return value


def _label(name: str, value: str) -> tuple[str, str]:
    key = name.removeprefix("label.")
    if not (is_key(key) and is_value(value)):
        raise ValueError(f"{name}={value}: no label that Kubernetes takes; write such as label.zone=a")
    if key in OF_THE_MACHINE:
        raise ValueError(f"{name}={value}: a server sets {key} itself; arch= says its architecture")
    return key, value


def what_if(world: World, tasks: Sequence[Task], pool: str, additions: Sequence[Addition]) -> WhatIf:
    """Which instances that can't be placed now would be with the servers added to the pool, "" for none; `tasks` are
    taken as applied."""
    world = with_applied(world, tasks)
    servers = _servers(world, pool, additions)
    silence = {**world.silence, **dict.fromkeys(servers, 0.0)}
    more = replace(world, servers={**world.servers, **servers}, silence=silence)
    now, then = _tried(world), _tried(more, frozenset(servers))
    short = sorted(key for key, (examined, found) in now.items() if missing(examined, found))
    return WhatIf(tuple(servers), tuple(_outcome(key, now[key], then[key], servers) for key in short))


def _tried(world: World, planned: frozenset[str] = frozenset()) -> dict[ObjectKey, tuple[Examined, Found]]:
    trial = Scenario(world)
    trial.fleet.planned = planned
    examined = [trial.examine(task) for task in world.tasks.values()]
    found = trial.place(one for one in examined if one.decision.wants)
    return {one.task.key: (one, found.get(one.task.key, _NOTHING)) for one in examined}


def _outcome(
    key: ObjectKey, now: tuple[Examined, Found], then: tuple[Examined, Found], servers: Iterable[str]
) -> Outcome:
    used = {*then[1].placement.servers}
    return Outcome(
        task=key,
        missing=missing(*now),
        still=missing(*then),
        servers=tuple(name for name in servers if name in used),
        why=then[1].placement.unplaced,
        more=now[0].decision.more,
    )


def _servers(world: World, pool: str, additions: Iterable[Addition]) -> dict[str, Server]:
    found: dict[str, Server] = {}
    for one in additions:
        number = 0
        for _ in range(one.count):
            number += 1
            while (name := f"new-{one.architecture}-{number}") in found or name in world.servers:
                number += 1
            found[name] = _server(name, pool, one)
    return found


def _server(name: str, pool: str, one: Addition) -> Server:
    base = {labels.ARCHITECTURE: one.architecture, labels.OPERATING_SYSTEM: "linux", labels.HOSTNAME: name}
    return Server(
        metadata=Metadata(name=name, uid=name, labels={**base, **one.labels}),
        spec=ServerSpec(pool=pool),
        status=ServerStatus(
            architecture=one.architecture,
            capacity=one.allocatable,
            allocatable=one.allocatable,
            features=one.features,
        ),
    )
