"""Why an instance can't be placed: per filter how many servers, the nearest one, and the smallest change."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from starlink.scheduling.arrays import Indices
from starlink.scheduling.ask import Ask
from starlink.scheduling.explaining.asking_less import NO_MATES
from starlink.scheduling.explaining.reasons import lack, listed, reason
from starlink.scheduling.explaining.remedy import remedy
from starlink.scheduling.explaining.shortage import Claims
from starlink.scheduling.explaining.verdicts import Verdicts, judge, nearest
from starlink.scheduling.filters import Removed
from starlink.scheduling.fleet import Fleet

_LONG = 400


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why instances have no place. `removed` counts, for each filter, the servers that it is the first to remove;
    `best` is the server that is nearest to fitting, "" if there is none, and `lacks` what it lacks; `remedy` is the
    smallest change that would let one fit; `message` says it all to a person."""

    removed: Removed
    best: str
    lacks: tuple[str, ...]
    remedy: str
    message: str


def explain(fleet: Fleet, ask: Ask, missing: int, mates: Indices = NO_MATES, claims: Claims | None = None) -> Refusal:
    """The refusal of the instances that are missing, with all that was placed charged to the fleet; `mates` are the
    servers of those of the same gang that would fit, `claims` what others would give back."""
    verdicts = judge(fleet, ask)
    removed = tuple((name, len(servers)) for name, servers in verdicts.removed)
    if absent := _absent(fleet, ask):
        problem, way = absent
        return Refusal(removed, "", (), way, f"{problem}; {way}")
    server = nearest(verdicts)
    lacks = tuple(lack(fleet, ask, name, server) for name in verdicts.failing(server)) if server >= 0 else ()
    best = fleet.names[server] if server >= 0 else ""
    way = remedy(verdicts, server, missing, mates, claims)
    asked = _instances(ask, missing, len(mates))
    return Refusal(removed, best, lacks, way, _message(verdicts, asked, best, lacks, way))


def affinity_cycle(groups: Sequence[str]) -> str:
    """What to say of groups of which each requires to be near the next, and the last near the first, so that none of
    them can be placed."""
    chain = " near ".join((*groups, groups[0]))
    return f"an affinity cycle: {chain}, so that none can be first; give one of these affinities a weight"


def _absent(fleet: Fleet, ask: Ask) -> tuple[str, str] | None:
    """What is asked for and not there at all, and the way out."""
    if ask.pool and ask.pool not in fleet.pool_names:
        pools = listed(fleet.pools) or "none"
        return f"pool {ask.pool!r} does not exist (pools: {pools})", "create it, or name another in placement.pool"
    if not len(fleet):
        return "no server has registered yet", "add one with `starlink server add NAME`"
    if ask.server and ask.server not in fleet.index:
        known = f"server {ask.server!r} does not exist (servers: {listed(fleet.names)})"
        return known, f"add it with `starlink server add {ask.server}`, or name another in spec.servers"
    return None


def _message(verdicts: Verdicts, asked: str, best: str, lacks: tuple[str, ...], way: str) -> str:
    """The longest of the variants that is not too long, else the last."""
    lacking = listed(lacks, " and ")
    if verdicts.ask.server:
        lacking = lacking or "room for all of them"
        return f"server {best} does not fit {asked}: it lacks {lacking}; {way}"
    close = f"nearest: {best} lacks {lacking}; " if lacks else ""
    variants = [f"{reasons}; {close}{way}" for reasons in _reasons(verdicts, asked)]
    variants.append(variants[-1].replace(close, "") if close else variants[-1])
    return next((text for text in variants if len(text) <= _LONG), variants[-1])


def _reasons(verdicts: Verdicts, asked: str) -> Iterator[str]:
    """How many servers fit and why the others do not, ever shorter: of the fewest servers, reasons go first."""
    fleet, ask = verdicts.fleet, verdicts.ask
    counted = [(len(servers), name, servers) for name, servers in verdicts.removed if len(servers)]
    fit = len(fleet) - sum(count for count, _, _ in counted)
    head = f"{fit} of {len(fleet)} servers fit {asked}"
    words = {name: f"{count} {reason(fleet, ask, name, servers)}" for count, name, servers in counted}
    by_size = sorted(counted, key=lambda one: -one[0])
    for shown in range(len(counted), min(0, len(counted) - 1), -1):
        kept = {name for _, name, _ in by_size[:shown]}
        left = sum(count for count, name, _ in counted if name not in kept)
        told = [text for name, text in words.items() if name in kept]
        told += [f"{left} for other reasons"] if left else []
        yield f"{head}: {', '.join(told)}" if told else head


def _instances(ask: Ask, missing: int, mates: int) -> str:
    words = "1 more instance" if missing == 1 else f"{missing} more instances"
    if not ask.gang:
        return words
    beside = f" beside the {mates} that would fit" if mates else ""
    if not ask.running:
        return f"{words} of the gang{beside}, so that none of it is placed"
    run = "1 runs" if ask.running == 1 else f"{ask.running} run"
    return f"{words} of the gang, of which {run}{f',{beside}' if beside else ''}"
