"""Pools: which servers belong to which, and how each pool is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from starlink.api import conditions, labels, quantity
from starlink.api.kinds import POOL
from starlink.api.meta import Condition
from starlink.api.pool import Pool
from starlink.api.server import Server
from starlink.api.timestamp import format_time
from starlink.planning.health import Health
from starlink.planning.plan import Action, Plan, RecordEvent, UpdateStatus
from starlink.planning.status import INVALID_SPEC
from starlink.planning.world import World


def effective_pools(world: World) -> dict[str, str]:
    """The pool of each server: what its spec names, else the first pool by name whose selector adopts it, else ""."""
    adopting = sorted((name, pool.spec.selector) for name, pool in world.pools.items() if pool.spec.selector)
    return {name: _pool_of(server, adopting) for name, server in world.servers.items()}


def _pool_of(server: Server, adopting: list[tuple[str, dict[str, str]]]) -> str:
    if server.spec.pool:
        return server.spec.pool
    return next((name for name, selector in adopting if labels.selects(selector, server.metadata.labels)), "")


@dataclass(frozen=True, slots=True)
class PoolUse:
    """How full a pool is, by resource: cpu in millicores, everything else in whole units.

    `capacity` may be requested of its servers in all, `allocated` is, `headroom` is what quota and servers leave.
    `exhausted` are the keys of the quota of which nothing is left, each as a person reads it, `above` the watermarks.
    """

    capacity: Mapping[str, int] = field(default_factory=dict)
    allocated: Mapping[str, int] = field(default_factory=dict)
    headroom: Mapping[str, int] = field(default_factory=dict)
    assignments: int = 0
    exhausted: tuple[str, ...] = ()
    above: tuple[str, ...] = ()


def plan_pool(
    pool: Pool, world: World, pools: Mapping[str, str], health: Health, use: PoolUse, fault: str = ""
) -> Plan:
    """The pool's status, when it changed. A plan that changes amounts alone has the reason `allocated`.
    `fault` says why its spec can't be used."""
    members = sorted(name for name, its in pools.items() if its == pool.name)
    ready = [name for name in members if not health.is_unknown(name) and not health.is_gone(name)]
    told = _conditions(pool, members, ready, health, use, fault, world.now)
    status: dict[str, Any] = {
        "observedGeneration": pool.metadata.generation,
        "servers": len(members),
        "readyServers": len(ready),
        "capacity": _told(use.capacity),
        "allocated": _told(use.allocated),
        "headroom": _told(use.headroom),
        "assignments": use.assignments,
        "conditions": [conditions.entry(condition) for condition in told],
    }
    before = _present(pool)
    changed = {name for name, value in status.items() if before.get(name) != value}
    if not changed:
        return Plan(POOL, pool.key)
    patch = {**status, **{name: _patch(before[name], status[name]) for name in _AMOUNTS}}
    actions: list[Action] = [UpdateStatus(POOL, pool.key, pool.uid, patch)]
    actions += _events(pool, told)
    return Plan(POOL, pool.key, tuple(actions), "allocated" if changed <= _COALESCED else "its servers changed")


_AMOUNTS = ("capacity", "allocated", "headroom")
_COALESCED = {*_AMOUNTS, "assignments"}


def _told(amounts: Mapping[str, int]) -> dict[str, Any]:
    return {name: quantity.format_amount(name, amount) for name, amount in sorted(amounts.items())}


def _patch(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """A merge patch takes away only what it names."""
    return {**{name: None for name in before if name not in now}, **now}


def _present(pool: Pool) -> dict[str, Any]:
    """The status as it is, in the words that it is written in."""
    status = pool.status
    return {
        "observedGeneration": status.observed_generation,
        "servers": status.servers,
        "readyServers": status.ready_servers,
        "capacity": {name: str(amount) for name, amount in status.capacity.items()},
        "allocated": {name: str(amount) for name, amount in status.allocated.items()},
        "headroom": {name: str(amount) for name, amount in status.headroom.items()},
        "assignments": status.assignments,
        "conditions": [conditions.entry(condition) for condition in status.conditions],
    }


def _conditions(
    pool: Pool, members: list[str], ready: list[str], health: Health, use: PoolUse, fault: str, now: float
) -> tuple[Condition, ...]:
    braked = [name for name in members if name in health.braked]
    generation = pool.metadata.generation
    if fault:
        well = Condition(type="Ready", status="False", reason=INVALID_SPEC, message=fault)
    elif braked:
        message = (
            f"{len(braked)} of {len(members)} servers fell silent within a minute ({', '.join(braked[:5])}); nothing "
            f"of them is replaced until they return or are annotated {labels.GONE_ANNOTATION}=true"
        )
        well = Condition(type="Ready", status="False", reason="StormBrake", message=message)
    elif not ready:
        message = "no server of the pool is ready" if members else "no server belongs to the pool"
        well = Condition(type="Ready", status="False", reason="NoReadyServers", message=message)
    else:
        message = f"{len(ready)} of {len(members)} servers are ready"
        well = Condition(type="Ready", status="True", reason="ServersReady", message=message)
    rest = (
        _unreadable("QuotaAvailable", "False", fault) if fault else _quota(use),
        _watermark(use),
        Condition(type="Reconciling", status="False", reason="Settled"),
        _unreadable("Stalled", "True", fault)
        if fault
        else Condition(type="Stalled", status="False", reason="NotStalled"),
    )
    return conditions.merge(
        pool.status.conditions, conditions.of_generation((well, *rest), generation), now=format_time(now)
    )


def _unreadable(type_: str, status: Literal["True", "False"], fault: str) -> Condition:
    return Condition(type=type_, status=status, reason=INVALID_SPEC, message=f"{fault}; nothing more is placed here")


def _quota(use: PoolUse) -> Condition:
    if use.exhausted:
        message = f"{', '.join(use.exhausted)}; nothing more is placed until something stops or spec.quota is raised"
        return Condition(type="QuotaAvailable", status="False", reason="QuotaExhausted", message=message)
    return Condition(type="QuotaAvailable", status="True", reason="WithinQuota")


def _watermark(use: PoolUse) -> Condition:
    if use.above:
        message = f"{', '.join(use.above)}; nothing new is placed until it is below its low watermark"
        return Condition(type="BelowWatermark", status="False", reason="AboveWatermark", message=message)
    return Condition(type="BelowWatermark", status="True", reason="BelowWatermark")


def _events(pool: Pool, told: tuple[Condition, ...]) -> list[Action]:
    new, old = conditions.find(told, "Ready"), conditions.find(pool.status.conditions, "Ready")
    assert new is not None
    was = old.reason if old else ""
    if new.reason == was or "StormBrake" not in (new.reason, was):
        return []
    if new.reason == "StormBrake":
        return [RecordEvent(POOL, pool.key, pool.uid, "Warning", "StormBrake", new.message)]
    return [RecordEvent(POOL, pool.key, pool.uid, "Normal", "StormBrakeReleased", new.message)]
