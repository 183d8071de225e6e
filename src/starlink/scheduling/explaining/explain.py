"""Why an instance can't be placed: per filter how many servers, the nearest one, and the smallest change."""

from collections.abc import Sequence

from starlink.api.refusal import Cause, Gang, Refusal, listed
from starlink.api.remedy import Remedy, way
from starlink.scheduling.arrays import Indices
from starlink.scheduling.ask import Ask
from starlink.scheduling.explaining.asking_less import NO_MATES
from starlink.scheduling.explaining.reasons import lack, reason
from starlink.scheduling.explaining.remedy import remedy as remedied
from starlink.scheduling.explaining.shortage import Claims
from starlink.scheduling.explaining.verdicts import Verdicts, judge, nearest
from starlink.scheduling.fleet import Fleet


def explain(fleet: Fleet, ask: Ask, missing: int, mates: Indices = NO_MATES, claims: Claims | None = None) -> Refusal:
    """The refusal of the instances that are missing, with all that was placed charged to the fleet; `mates` are the
    servers of those of the same gang that would fit, `claims` what others would give back."""
    verdicts = judge(fleet, ask)
    if absent := _absent(fleet, ask, verdicts):
        return absent
    server = nearest(verdicts)
    return Refusal(
        code="ServerDoesNotFit" if ask.server else "NothingFits",
        remedy=remedied(verdicts, server, missing, mates, claims),
        missing=missing,
        gang=Gang(ask.running, len(mates)) if ask.gang else None,
        servers=len(fleet),
        causes=_causes(verdicts, told=not ask.server),
        best=fleet.names[server] if server >= 0 else "",
        lacks=tuple(lack(fleet, ask, name, server) for name in verdicts.failing(server)) if server >= 0 else (),
    )


def affinity_cycle(groups: Sequence[str]) -> Refusal:
    """The refusal of groups of which each requires to be near the next, and the last near the first, so that none of
    them can be placed."""
    chain = " near ".join((*groups, groups[0]))
    return Refusal(
        "AffinityCycle", Remedy((way("WeighAny"),)), f"an affinity cycle: {chain}, so that none can be first"
    )


def _absent(fleet: Fleet, ask: Ask, verdicts: Verdicts) -> Refusal | None:
    """What is asked for and not there at all, and the way out."""
    causes = _causes(verdicts, told=False)
    if ask.pool and ask.pool not in fleet.pool_names:
        problem = f"pool {ask.pool!r} does not exist (pools: {listed(fleet.pools) or 'none'})"
        return Refusal("PoolNotFound", Remedy((way("CreatePool"), way("NamePool"))), problem, causes=causes)
    if not len(fleet):
        remedy = Remedy((way("RegisterServer"),))
        return Refusal("NoServers", remedy, "no server has registered yet", causes=causes)
    if ask.server and ask.server not in fleet.index:
        problem = f"server {ask.server!r} does not exist (servers: {listed(fleet.names)})"
        ways = way("AddServer", ask.server), way("NameServer")
        return Refusal("ServerNotFound", Remedy(ways), problem, causes=causes)
    return None


def _causes(verdicts: Verdicts, *, told: bool) -> tuple[Cause, ...]:
    """What each filter removed, where it is told with what those servers have in common."""
    return tuple(
        Cause(name, len(servers), reason(verdicts.fleet, verdicts.ask, name, servers) if told and len(servers) else "")
        for name, servers in verdicts.removed
    )
