"""Servers: what the operator says of each, and when one that is being deleted may go."""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import Any, Literal

from starlink.api import conditions, labels, quantity
from starlink.api.change import Change
from starlink.api.kinds import SERVER
from starlink.api.meta import Condition, ObjectKey
from starlink.api.server import Server
from starlink.api.status import changes
from starlink.api.timestamp import parse_time
from starlink.planning.contract import ASSIGNMENTS, POOLS, SERVERS, TASKS, Known, Sight
from starlink.planning.figures import Charged, Figures
from starlink.planning.health import Health
from starlink.planning.plan import Action, Plan, RecordEvent, ReleaseFinalizer, UpdateStatus
from starlink.planning.words import counted

POOL_NOT_FOUND = "PoolNotFound"
HEARTBEAT_MISSED, TOKEN_EXPIRED, STORM_BRAKE = _SILENT = "HeartbeatMissed", "TokenExpired", "StormBrake"
_MOST_POOLS = 10


class ServerPlanner:
    """Plans servers by what a count of the fleet tells of them."""

    subject: Known[Any] = SERVERS
    reads: Sequence[Known[Any]] = (SERVERS, POOLS, TASKS, ASSIGNMENTS)

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    @staticmethod
    def wakes(change: Change[Any], sight: Sight) -> Iterable[ObjectKey]:
        """The server, if its change decides what may run there. A change of its charges waits for the next tick."""
        old, new = change.old, change.new
        if not isinstance(new or old, Server):
            return ()
        return () if old and new and what_matters(old) == what_matters(new) else (change.key,)

    def plan(self, keys: Collection[ObjectKey], sight: Sight) -> Sequence[Plan]:
        servers, pools = sight.all(SERVERS), frozenset(key.name for key in sight.all(POOLS))
        return [plan_server(servers[key], pools, self._figures, sight.now) for key in keys if key in servers]


def what_matters(server: Server) -> tuple[object, ...]:
    """What of a server decides who may be there. What the operator itself tells of it is not among it."""
    meta, status = server.metadata, server.status
    return (
        server.spec, meta.labels, meta.annotations, meta.deleting, status.architecture, status.allocatable,
        status.runtimes, status.features,
    )  # fmt: skip


def plan_server(server: Server, pools: Set[str], figures: Figures, now: float) -> Plan:
    """The server's status, when it changed; its release, when it leaves and nothing is charged there any more. `pools`
    are those there are.

    A plan that changes `allocated` alone may wait.
    """
    charged, health = figures.charged(server.name), figures.health
    stray = bool(server.spec.pool) and server.spec.pool not in pools
    ready = _ready(server, charged, health, sorted(pools) if stray else None, now)
    allocated = server.status.allocated if charged.amounts is None else _allocated(charged.amounts, charged.instances)
    fields = {"pool": figures.pools.get(server.name, ""), "allocated": allocated}
    always = () if server.status.conditions else fields
    changed = changes(server, fields, _conditions(server, ready), now, always)
    actions: list[Action] = [UpdateStatus(SERVER, server.key, server.uid, changed)] if changed else []
    actions += _events(server, ready)
    leaves = _may_go(server, charged, health)
    if leaves:
        actions.append(_release(server))
    amounts_alone = changed.keys() <= {"allocated"} and not leaves
    reason = "allocated" if amounts_alone else "its state changed"
    return Plan(SERVER, server.key, tuple(actions), reason, may_wait=amounts_alone)


def _allocated(charged: Mapping[str, int], instances: int) -> dict[str, Any]:
    amounts = {"cpu": 0, "memory": 0, **charged}
    told = {
        name: quantity.format_amount(name, amount)
        for name, amount in sorted(amounts.items())
        if amount or name in ("cpu", "memory")
    }
    return {**told, "assignments": str(instances)}


Told = tuple[Literal["True", "False", "Unknown"], str, str]


def _ready(server: Server, charged: Charged, health: Health, pools: Sequence[str] | None, now: float) -> Told:
    """`pools` are those there are, if the server's is not among them."""
    if server.declared_gone:
        return (
            "False",
            "DeclaredGone",
            f"a person has declared it gone; take {labels.GONE_ANNOTATION} away to use it again",
        )
    if server.metadata.deleting:
        return "False", "Draining", _draining(server, charged, health)
    if not server.has_joined:
        return "Unknown", "Registering", "its agent has not reported the machine yet"
    unheard = is_unheard(server, health)
    if unheard and _has_expired(server.status.token_expires, now):
        return "Unknown", TOKEN_EXPIRED, _expired(server)
    if server.name in health.braked and unheard:
        return "Unknown", STORM_BRAKE, "it fell silent together with most of its pool; nothing of it is replaced"
    if unheard:
        return "Unknown", HEARTBEAT_MISSED, "its agent has not been heard for 15s or longer"
    heard = "its agent is heard"
    if server.spec.unschedulable:
        heard += "; spec.unschedulable keeps new instances away"
    if pools is not None:
        return "True", POOL_NOT_FOUND, f"{heard}; {_stray(server.spec.pool, pools)}"
    return "True", "Cordoned" if server.spec.unschedulable else "AgentHeard", heard


def was_silent(server: Server) -> bool:
    """Whether its status says that its agent is not heard."""
    known = conditions.find(server.status.conditions, "Ready")
    return known is not None and known.status == "Unknown" and known.reason in _SILENT


def is_unheard(server: Server, health: Health) -> bool:
    """Whether it is to be told that its agent is not heard: it has been silent for long, or was so before, and nothing
    has been heard since."""
    return health.is_unknown(server.name) or (health.is_suspect(server.name) and was_silent(server))


def _has_expired(until: str, now: float) -> bool:
    """Whether the token has expired by now. The API server's clock set `until`, so the agent's clock plays no part."""
    try:
        return parse_time(until) <= now
    except ValueError:  # the agent has reported no expiry of its token
        return False


def _expired(server: Server) -> str:
    return (
        f"its agent is not heard, and its token has expired ({server.status.token_expires}): take a new one with "
        f"`starlink server add {server.name} -o FILE`, and start the agent there with --kubeconfig FILE"
    )


def _draining(server: Server, charged: Charged, health: Health) -> str:
    left = f"{counted(charged.instances, 'assignment')} {'has' if charged.instances == 1 else 'have'} not stopped yet"
    if charged.instances and health.is_suspect(server.name):
        return (
            f"it is being deleted; {left}, and its agent is not heard: start the agent again, or say that the server "
            f"is gone for good with `starlink delete server {server.name} --force`"
        )
    return f"it is being deleted; {left}{f'; {charged.held_up}' if charged.held_up else ''}"


def _stray(pool: str, pools: Sequence[str]) -> str:
    known = ", ".join(pools[:_MOST_POOLS]) + (", …" if len(pools) > _MOST_POOLS else "")
    return (
        f"spec.pool names pool {pool!r}, which does not exist (pools: {known or 'none'}): no quota or policy holds "
        "here, and only tasks that name no pool come; create it, or name another in spec.pool"
    )


def _conditions(server: Server, ready: Told) -> tuple[Condition, ...]:
    """Those that are to be told; none when they are told already."""
    status, reason, message = ready
    if _is_told(server, status, reason, message):
        return ()
    leaving = server.metadata.deleting
    return (
        Condition(type="Ready", status=status, reason=reason, message=message),
        Condition(
            type="Reconciling",
            status="True" if leaving else "False",
            reason="Draining" if leaving else "Settled",
            message=message if leaving else "",
        ),
        Condition(type="Stalled", status="True", reason=reason, message=message)
        if reason == POOL_NOT_FOUND
        else Condition(type="Stalled", status="False", reason="NotStalled"),
    )


def _is_told(server: Server, *ready: str) -> bool:
    """Whether Ready says so already, of this generation: the other conditions follow from it."""
    old = conditions.find(server.status.conditions, conditions.READY)
    generation = server.metadata.generation
    return old is not None and (old.status, old.reason, old.message) == ready and old.observed_generation == generation


def _events(server: Server, ready: Told) -> list[Action]:
    old, (status, reason, message) = conditions.find(server.status.conditions, conditions.READY), ready
    if (old.reason if old else "Registering") == reason:
        return []
    is_well = reason == "Draining" or (status == "True" and reason != POOL_NOT_FOUND)
    kind: Literal["Normal", "Warning"] = "Normal" if is_well else "Warning"
    return [RecordEvent(SERVER, server.key, server.uid, kind, reason, message)]


def _may_go(server: Server, charged: Charged, health: Health) -> bool:
    held = labels.DRAINED_FINALIZER in server.metadata.finalizers
    return server.metadata.deleting and held and (not charged.instances or health.is_gone(server.name))


def _release(server: Server) -> ReleaseFinalizer:
    meta = server.metadata
    return ReleaseFinalizer(
        SERVER, server.key, server.uid, meta.resource_version, meta.finalizers, labels.DRAINED_FINALIZER
    )
