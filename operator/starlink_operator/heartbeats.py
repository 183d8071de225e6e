"""How long each server has been silent, on this process's own monotonic clock. Pure but for the clock passed in."""

from collections.abc import Mapping

BEAT_GAP = 5.0
"""A pause of this length between two looks means that we slept, or were starved: silence did not count."""
ASK_AFTER = 3.0
"""When nothing was heard of any Lease for so long, the API is asked: its answer shows that the servers are silent, and
that it is not us who can't hear."""


class Heartbeats:
    """Counts from the renewal that was seen; starts again after any time in which nothing could be heard."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, float]] = {}
        self._looked = 0.0

    def renewed(self, server: str, version: str, now: float) -> float:
        """A Lease was seen at a resourceVersion; a new one is a renewal. Gives the seconds of silence that it ends."""
        known = self._seen.get(server, ("", now))
        if known[0] == version:
            return 0.0
        self._seen[server] = (version, now)
        return now - known[1]

    def forget(self, server: str) -> None:
        self._seen.pop(server, None)

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

    def silence(self, servers: Mapping[str, object], now: float) -> dict[str, float]:
        """Seconds of silence of each server; one without a Lease counts from the first time that it was asked for."""
        for server in servers:
            self._seen.setdefault(server, ("", now))
        for server in [name for name, (version, _) in self._seen.items() if not version and name not in servers]:
            del self._seen[server]
        return {server: now - self._seen[server][1] for server in servers}
