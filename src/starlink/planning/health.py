"""Which servers are heard, which are silent, and when silence means that something is lost.

The storm brake: when more than half of a pool and at least three servers fall silent within a minute, that is
far more often the network than the servers, and replacing them would drown the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from starlink.planning.world import World

UNKNOWN_AFTER = 15.0
SUSPECT_AFTER = 7.0
"""Silence that a healthy agent does not have. The brake counts from here, so that it sees all servers of one
outage before the first of them is lost at the least `lostAfter`, 12 s."""
STORM_WINDOW = 60.0
STORM_SHARE = 0.5
STORM_LEAST = 3


@dataclass(frozen=True, slots=True)
class Health:
    """`silence` in seconds; `gone` are servers declared gone; `braked` those held back by the storm brake. `silent` are
    all suspects."""

    silence: Mapping[str, float]
    known: frozenset[str]
    gone: frozenset[str]
    braked: frozenset[str]
    silent: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        silent = (name for name, seconds in self.silence.items() if seconds >= SUSPECT_AFTER)
        object.__setattr__(self, "silent", frozenset(silent))

    def is_gone(self, server: str) -> bool:
        """Whether nothing of the server is to be waited for: declared gone, or no object any more."""
        return server in self.gone or server not in self.known

    def is_unknown(self, server: str) -> bool:
        """Whether it has not been heard for so long that what it last said is not to be relied on."""
        return self.silence.get(server, 0.0) >= UNKNOWN_AFTER

    def is_suspect(self, server: str) -> bool:
        """Whether it is silent for longer than a healthy agent is: nothing new goes there, for it may be lost soon."""
        return self.silence.get(server, 0.0) >= SUSPECT_AFTER

    def is_lost(self, server: str, lost_after: float) -> bool:
        """Whether a task that waits `lost_after` seconds gives up what it has there."""
        if self.is_gone(server):
            return True
        return self.silence.get(server, 0.0) >= lost_after and server not in self.braked


def assess(world: World, pools: Mapping[str, str]) -> Health:
    """The health of all servers; `pools` says the effective pool of each."""
    gone = frozenset(name for name, server in world.servers.items() if server.declared_gone)
    members: dict[str, list[str]] = {}
    for name, server in world.servers.items():
        if server.has_joined:
            members.setdefault(pools.get(name, ""), []).append(name)
    # One that is declared gone still counts as having vanished: to give up one releases that one alone.
    braked = frozenset(name for names in members.values() for name in _stormed(names, world.silence))
    return Health(world.silence, frozenset(world.servers), gone, braked - gone)


def _stormed(members: Sequence[str], silence: Mapping[str, float]) -> list[str]:
    """The members that fell silent together: those in any window of a minute that holds too many."""
    vanished = sorted((silence.get(name, 0.0), name) for name in members if silence.get(name, 0.0) >= SUSPECT_AFTER)
    held: set[str] = set()
    start = 0
    for end, (seconds, _) in enumerate(vanished):
        while seconds - vanished[start][0] > STORM_WINDOW:
            start += 1
        count = end - start + 1
        if count >= STORM_LEAST and count > STORM_SHARE * len(members):
            held.update(name for _, name in vanished[start : end + 1])
    return sorted(held)
