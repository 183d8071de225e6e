"""What clients may ask of the server at once, and how long they may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds. A user is a user's name, or for anonymous requests an address.

    `target` is of the request line; `headers` counts that too, and what frames a body; `bodies` is
    what all requests' bodies may take together, from their first byte until the answer. Beyond that
    `bodies_small` is kept for those of at most `small` bytes, and `bodies_control` for heartbeats and
    the operator; those of anonymous requests may take `bodies_strangers` and nothing else. `handled`
    requests are in the handler at once, `queued` wait for it; `streams` are watches and followed
    logs, which count in neither.
    `header_seconds` is for a new connection's first byte, `request_seconds` from a request's first
    byte to its last, `body_seconds` for the next 16 KiB of its body, `idle_seconds` between requests,
    `stalled_seconds` for a client that does not read, `linger_seconds` for it to close after the last
    answer. An address may have `strangers_per_address` connections on which nobody has proved to be
    somebody. Above a limit of its address, one that has not sent a whole request gives way to another
    at once, the oldest first; above any limit, one that has, once it has said nothing for
    `stranger_seconds`. Of the other connections above the limit, `connections_refused` are told so,
    with a 429; more are closed without a word.
    """

    connections: int = 5_000
    connections_per_address: int = 4_000
    strangers_per_address: int = 1_000
    connections_refused: int = 64
    target: int = 16 * 1024
    headers: int = 64 * 1024
    body: int = 3 * 1024 * 1024
    bodies: int = 96 * 1024 * 1024
    small: int = 64 * 1024
    bodies_small: int = 16 * 1024 * 1024
    bodies_control: int = 16 * 1024 * 1024
    bodies_strangers: int = 16 * 1024 * 1024
    handled: int = 400
    handled_per_user: int = 300
    queued: int = 4_000
    queued_per_user: int = 1_000
    streams: int = 4_000
    streams_per_user: int = 3_000
    header_seconds: float = 30.0
    request_seconds: float = 60.0
    body_seconds: float = 10.0
    idle_seconds: float = 300.0
    stalled_seconds: float = 60.0
    linger_seconds: float = 3.0
    stranger_seconds: float = 5.0

    @property
    def shortest(self) -> float:
        """The shortest of the times."""
        return min(
            self.header_seconds, self.request_seconds, self.body_seconds, self.idle_seconds, self.stalled_seconds,
            self.linger_seconds,
        )  # fmt: skip
