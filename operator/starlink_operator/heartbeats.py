"""How long each server has been silent, on this process's own monotonic clock. Pure but for the clock passed in."""

from collections.abc import Callable, Mapping
from typing import Any

from starlink.planning.health import SUSPECT_AFTER

BEAT_GAP = 5.0
"""A pause of this length between two looks means that we slept, or were starved: silence did not count."""
ASK_AFTER = 3.0
"""When nothing was heard of any Lease for so long, the API is asked: its answer shows that the servers are silent, and
that it is not us who can't hear."""


class Heartbeats:
    """Counts from the renewal that was seen; starts again after any time in which nothing could be heard.

    Who starts to listen sees Leases, of which any may be of an agent that is long dead. Nobody is given up for that,
    but a server that was silent before (`was_silent` tells it by its Server) stays suspect until its Lease is renewed.
    """

    def __init__(self, was_silent: Callable[[Any], bool] = lambda server: False) -> None:
        self._was_silent = was_silent
        self._proven: set[str] = set()  # those whose renewal was seen, and not only a Lease
        self._doubted: set[str] = set()
        self._seen: dict[str, tuple[str, float]] = {}
        self._looked = 0.0

    def renewed(self, server: str, version: str, now: float) -> float:
        """A Lease was seen at a resourceVersion; a new one is a renewal. Gives the seconds of silence that it ends."""
        known = self._seen.get(server, ("", now))
        if known[0] == version:
            return 0.0
        self._seen[server] = (version, now)
        if not known[0]:
            return now - known[1]
        doubted = server in self._doubted
        self._doubted.discard(server)
        self._proven.add(server)
        return max(now - known[1], SUSPECT_AFTER if doubted else 0.0)

    def forget(self, server: str) -> None:
        self._seen.pop(server, None)
        self._proven.discard(server)
        self._doubted.discard(server)

    def look(self, now: float, heard: float) -> None:
        """Called every second. `heard` is when the API last said anything of the Leases, unasked or asked: while it is
        mute, and while we sleep, everybody's silence starts again."""
        slept = now - self._looked > BEAT_GAP
        if self._looked and (slept or (self._seen and now - heard > BEAT_GAP)):
            self.start_again(now)
        self._looked = now

    def start_again(self, now: float) -> None:
        """Forgets all silence: it was ours."""
        self._seen = {server: (version, now) for server, (version, _) in self._seen.items()}
        self._proven.clear()

    def silence(self, servers: Mapping[str, object], now: float) -> dict[str, float]:
        """Seconds of silence of each server, by its Server; one without a Lease counts from the first time that it was
        asked for."""
        for server in servers:
            self._seen.setdefault(server, ("", now))
        for server in [name for name, (version, _) in self._seen.items() if not version and name not in servers]:
            del self._seen[server]
        self._doubted.update(
            server for server, known in servers.items() if server not in self._proven and self._was_silent(known)
        )
        return {server: self._silence(server, now) for server in servers}

    def _silence(self, server: str, now: float) -> float:
        return max(now - self._seen[server][1], SUSPECT_AFTER if server in self._doubted else 0.0)
