"""Pools: which servers belong to which, and how each pool is."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from starlink.api import conditions, labels, quantity
from starlink.api.change import Change
from starlink.api.checks import INVALID_SPEC
from starlink.api.kinds import POOL
from starlink.api.meta import Condition, ObjectKey
from starlink.api.pool import Pool
from starlink.api.server import Server
from starlink.api.status import changes
from starlink.planning.contract import ASSIGNMENTS, POOLS, SERVERS, TASKS, Known, Sight
from starlink.planning.figures import Figures
from starlink.planning.health import Health
from starlink.planning.plan import Action, Patch, Plan, RecordEvent, ReleaseFinalizer, UpdateStatus
from starlink.planning.pool_use import PoolUse
from starlink.planning.quota import quota_available, quota_use
from starlink.planning.server import is_unheard
from starlink.planning.words import counted, share
from starlink.planning.world import World


def effective_pools(world: World) -> dict[str, str]:
    """The pool of each server: what its spec names, else the first pool by name whose selector adopts it, else "". A
    pool whose selector can't be read keeps what it had."""
    adopting = sorted((name, pool.spec.selector) for name, pool in world.pools.items() if pool.spec.selector)
    kept = frozenset(name for name, pool in world.pools.items() if keeps_servers(pool))
    return {name: _pool_of(server, adopting, kept) for name, server in world.servers.items()}


def keeps_servers(pool: Pool) -> bool:
    """Whether it can't be told which servers are in it but by what was told last."""
    return pool.unreadable is not None and pool.unreadable.lacks("spec.selector")


def _pool_of(server: Server, adopting: list[tuple[str, dict[str, str]]], kept: frozenset[str]) -> str:
    if server.spec.pool:
        return server.spec.pool
    if server.status.pool in kept:
        return server.status.pool
    return next((name for name, selector in adopting if labels.selects(selector, server.metadata.labels)), "")


class PoolPlanner:
    """Plans pools by what a count of the fleet tells of them."""

    subject: Known[Any] = POOLS
    reads: Sequence[Known[Any]] = (POOLS, SERVERS, TASKS, ASSIGNMENTS)

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    @staticmethod
    def wakes(change: Change[Any], sight: Sight) -> Iterable[ObjectKey]:
        """The pool itself. What its servers are and what is charged to them is for the next tick."""
        return (change.key,) if isinstance(change.new or change.old, Pool) else ()

    def plan(self, keys: Collection[ObjectKey], sight: Sight) -> Sequence[Plan]:
        pools, servers = sight.all(POOLS), {key.name: server for key, server in sight.all(SERVERS).items()}
        return [plan_pool(pools[key], servers, self._figures, sight) for key in keys if key in pools]


def plan_pool(pool: Pool, servers: Mapping[str, Server], figures: Figures, sight: Sight) -> Plan:
    """The pool's status, when it changed. A plan that changes amounts alone may wait."""
    pools, health, fault = figures.pools, figures.health, figures.faults.get(pool.name, "")
    use = figures.use(pool)
    members = sorted(name for name, its in pools.items() if its == pool.name)
    ready = [
        name
        for name in members
        if servers[name].has_joined and not is_unheard(servers[name], health) and not health.is_gone(name)
    ]
    holders = _holders(pool, sight, use)
    well = _with_outsiders(_ready(pool, members, ready, servers, pools, health, fault), use.outsiders)
    if pool.metadata.deleting:
        well = Condition(type="Ready", status="False", reason="Terminating", message=_terminating(pool, holders))
    fields: dict[str, Any] = {
        "observedGeneration": pool.metadata.generation,
        "servers": len(members),
        "readyServers": len(ready),
        "capacity": _told(use.capacity),
        "allocated": _told(use.allocated),
        "headroom": _told(use.headroom),
        "assignments": use.assignments,
        "quota": "" if fault else quota_use(pool, use),
    }
    always = () if pool.status.conditions else fields  # what is absent is shown as nothing, not as 0
    changed = changes(pool, fields, _conditions(pool, well, use, fault), sight.now, always)
    held = _finalizer(pool, holders)
    if not changed:
        return Plan(POOL, pool.key, held, "its finalizer" if held else "")
    actions: list[Action] = [UpdateStatus(POOL, pool.key, pool.uid, changed)]
    actions += _events(pool, well)
    amounts_alone = changed.keys() <= _COALESCED and not held
    reason = "allocated" if amounts_alone else "its servers changed"
    return Plan(POOL, pool.key, (*held, *actions), reason, may_wait=amounts_alone)


def _holders(pool: Pool, sight: Sight, use: PoolUse) -> tuple[str, ...]:
    """Who would lose their place with a pool that is being deleted, in words."""
    if not pool.metadata.deleting:
        return ()
    tasks = [str(key) for key, task in sorted(sight.all(TASKS).items()) if task.spec.placement.pool == pool.name]
    named = ", ".join(tasks[:_MOST_NAMED]) + (f" and {len(tasks) - _MOST_NAMED} more" if tasks[_MOST_NAMED:] else "")
    found = [f"{counted(len(tasks), 'task')} that name{'s' if len(tasks) == 1 else ''} it ({named})"] if tasks else []
    return (*found, *([f"{counted(use.instances, 'instance')} on its servers"] if use.instances else []))


def _terminating(pool: Pool, holders: Sequence[str]) -> str:
    if not holders:
        return "it is being deleted"
    return (
        f"it is being deleted, and held by {' and '.join(holders)}, which go on as they are: delete them or give them "
        f"another pool, or let it go all the same with `starlink delete pool {pool.name} --force`"
    )


def _finalizer(pool: Pool, holders: Sequence[str]) -> tuple[Action, ...]:
    """A pool is held from its beginning: whoever deletes it does not ask first."""
    meta, name = pool.metadata, labels.IN_USE_FINALIZER
    has = name in meta.finalizers
    if not has and not meta.deleting:
        held = {"metadata": {"finalizers": [*meta.finalizers, name]}}
        return (Patch(POOL, pool.key, pool.uid, held, meta.resource_version),)
    if has and meta.deleting and not holders:
        return (ReleaseFinalizer(POOL, pool.key, pool.uid, meta.resource_version, meta.finalizers, name),)
    return ()


_COALESCED = {"capacity", "allocated", "headroom", "assignments", "quota"}


def _told(amounts: Mapping[str, int]) -> dict[str, Any]:
    return {name: quantity.format_amount(name, amount) for name, amount in sorted(amounts.items())}


def _ready(
    pool: Pool,
    members: list[str],
    ready: list[str],
    servers: Mapping[str, Server],
    pools: Mapping[str, str],
    health: Health,
    fault: str,
) -> Condition:
    braked = [name for name in members if name in health.braked]
    if fault:
        return Condition(type="Ready", status="False", reason=INVALID_SPEC, message=fault)
    if braked:
        message = (
            f"{len(braked)} of {len(members)} servers fell silent within a minute ({', '.join(braked[:5])}); nothing "
            f"of them is replaced until they return or are annotated {labels.GONE_ANNOTATION}=true"
        )
        return Condition(type="Ready", status="False", reason="StormBrake", message=message)
    if not ready:
        message = _none_ready(members, servers) if members else _empty(pool, servers, pools)
        return Condition(type="Ready", status="False", reason="NoReadyServers", message=message)
    message = f"{share(len(ready), len(members), 'server')} ready{_idle(pool, ready, servers)}"
    return Condition(type="Ready", status="True", reason="ServersReady", message=message)


def _none_ready(members: list[str], servers: Mapping[str, Server]) -> str:
    """Why none of the pool's servers is ready, as far as that is one thing."""
    waiting = [name for name in members if not servers[name].has_joined]
    if len(waiting) < len(members):
        return "no server of the pool is ready"
    named = ", ".join(waiting[:_MOST_NAMED]) + (", …" if len(waiting) > _MOST_NAMED else "")
    return f"no server of the pool has joined yet ({named}); start its agent there: `starlink agent`"


def _with_outsiders(well: Condition, outsiders: Sequence[str]) -> Condition:
    """What is told of the servers, and of the instances that would not be placed here now, which nobody moves."""
    if not outsiders:
        return well
    told = f"{'; '.join(outsiders)}; they go on: delete their assignments to have them placed anew, or allow them again"
    return msgspec.structs.replace(well, message=f"{well.message}; {told}")


def _idle(pool: Pool, ready: list[str], servers: Mapping[str, Server]) -> str:
    """Which of the ready servers take nothing all the same."""
    those, taken = [servers[name] for name in ready], pool.spec.architectures
    cordoned = sum(1 for server in those if server.spec.unschedulable or server.metadata.deleting)
    others = sum(1 for server in those if taken and server.status.architecture not in taken)
    told = [f"{cordoned} of them cordoned or leaving"] if cordoned else []
    told += [f"{others} of an architecture that the pool does not take ({', '.join(taken)})"] if others else []
    return "".join(f", {one}" for one in told)


def _empty(pool: Pool, servers: Mapping[str, Server], pools: Mapping[str, str]) -> str:
    """Why no server belongs to the pool, and the way out."""
    selector, none = pool.spec.selector, "no server belongs to the pool"
    if not selector:
        return f"{none}: it has no spec.selector; write its name into spec.pool of servers (`starlink pool move`)"
    alike = [name for name in sorted(pools) if labels.selects(selector, servers[name].metadata.labels)]
    if not alike:
        wanted = ", ".join(f"{key}={value}" for key, value in sorted(selector.items())[:_MOST_NAMED])
        return f"{none}: none has the labels of its selector ({wanted})"
    told = ", ".join(f"{name} is in pool {pools[name]}" for name in alike[:_MOST_NAMED])
    more = f" and {len(alike) - _MOST_NAMED} more" if len(alike) > _MOST_NAMED else ""
    return (
        f"{none}: those that its selector matches are others' ({told}{more}); of several selectors the first pool by "
        f"name adopts: make them differ, or `starlink pool move {alike[0]} {pool.name}`"
    )


_MOST_NAMED = 3


def _conditions(pool: Pool, well: Condition, use: PoolUse, fault: str) -> tuple[Condition, ...]:
    return (
        well,
        _unreadable("QuotaAvailable", "False", fault) if fault else quota_available(pool, use),
        _watermark(use),
        Condition(type="Reconciling", status="False", reason="Settled"),
        _unreadable("Stalled", "True", fault)
        if fault
        else Condition(type="Stalled", status="False", reason="NotStalled"),
    )


def _unreadable(type_: str, status: Literal["True", "False"], fault: str) -> Condition:
    return Condition(type=type_, status=status, reason=INVALID_SPEC, message=f"{fault}; nothing more is placed here")


def _watermark(use: PoolUse) -> Condition:
    if use.above:
        message = f"{', '.join(use.above)}; nothing new is placed until it is below its low watermark"
        return Condition(type="BelowWatermark", status="False", reason="AboveWatermark", message=message)
    return Condition(type="BelowWatermark", status="True", reason="BelowWatermark")


def _events(pool: Pool, new: Condition) -> list[Action]:
    old = conditions.find(pool.status.conditions, conditions.READY)
    was = old.reason if old else ""
    if new.reason == was or "StormBrake" not in (new.reason, was):
        return []
    if new.reason == "StormBrake":
        return [RecordEvent(POOL, pool.key, pool.uid, "Warning", "StormBrake", new.message)]
    return [RecordEvent(POOL, pool.key, pool.uid, "Normal", "StormBrakeReleased", new.message)]
