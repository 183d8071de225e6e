"""Pools: which servers belong to which, and how each pool is."""

from collections.abc import Mapping
from typing import Any

from starlink.api import conditions, labels
from starlink.api.kinds import POOL
from starlink.api.meta import Condition
from starlink.api.pool import Pool
from starlink.api.server import Server
from starlink.api.timestamp import format_time
from starlink.planning.health import Health
from starlink.planning.plan import Action, Plan, RecordEvent, UpdateStatus
from starlink.planning.world import World


def effective_pools(world: World) -> dict[str, str]:
    """The pool of each server: what its spec names, else the first pool by name whose selector adopts it, else ""."""
    adopting = sorted((name, pool.spec.selector) for name, pool in world.pools.items() if pool.spec.selector)
    return {name: _pool_of(server, adopting) for name, server in world.servers.items()}


def _pool_of(server: Server, adopting: list[tuple[str, dict[str, str]]]) -> str:
    if server.spec.pool:
        return server.spec.pool
    return next((name for name, selector in adopting if labels.selects(selector, server.metadata.labels)), "")


def plan_pool(pool: Pool, world: World, pools: Mapping[str, str], health: Health) -> Plan:
    """The pool's status, when it changed."""
    members = sorted(name for name, its in pools.items() if its == pool.name)
    ready = [name for name in members if not health.is_unknown(name) and not health.is_gone(name)]
    told = _conditions(pool, members, ready, health, world.now)
    status: dict[str, Any] = {
        "observedGeneration": pool.metadata.generation,
        "servers": len(members),
        "readyServers": len(ready),
        "conditions": [conditions.entry(condition) for condition in told],
    }
    old = pool.status
    same = (old.observed_generation, old.servers, old.ready_servers) == (
        pool.metadata.generation,
        len(members),
        len(ready),
    )
    if same and old.conditions == told:
        return Plan(pool.key)
    actions: list[Action] = [UpdateStatus(POOL, pool.key, pool.uid, status)]
    actions += _events(pool, told)
    return Plan(pool.key, tuple(actions), "its servers changed")


def _conditions(pool: Pool, members: list[str], ready: list[str], health: Health, now: float) -> tuple[Condition, ...]:
    braked = [name for name in members if name in health.braked]
    generation = pool.metadata.generation
    if braked:
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
        Condition(type="Reconciling", status="False", reason="Settled"),
        Condition(type="Stalled", status="False", reason="NotStalled"),
    )
    return conditions.merge(
        pool.status.conditions, conditions.of_generation((well, *rest), generation), now=format_time(now)
    )


def _events(pool: Pool, told: tuple[Condition, ...]) -> list[Action]:
    new, old = conditions.find(told, "Ready"), conditions.find(pool.status.conditions, "Ready")
    assert new is not None
    was = old.reason if old else ""
    if new.reason == was or "StormBrake" not in (new.reason, was):
        return []
    if new.reason == "StormBrake":
        return [RecordEvent(POOL, pool.key, pool.uid, "Warning", "StormBrake", new.message)]
    return [RecordEvent(POOL, pool.key, pool.uid, "Normal", "StormBrakeReleased", new.message)]
