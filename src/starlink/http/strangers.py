"""Connections on which nobody has proved to be somebody: who gives way to whom. No I/O, no clock."""

from typing import Any


class Strangers:
    """Connections whose client has not proved who it is. `spoke` says when each last sent something; the connection
    that has been silent for longest comes first."""

    def __init__(self) -> None:
        self.spoke: dict[Any, float] = {}
        self._of: dict[str, dict[Any, float]] = {}
        self._silent: dict[str, dict[Any, float]] = {}

    def __len__(self) -> int:
        return len(self.spoke)

    def join(self, channel: Any, now: float) -> None:
        """One has come, which has sent no whole request yet."""
        self.heard(channel, now)
        self._silent.setdefault(channel.remote, {})[channel] = now

    def heard(self, channel: Any, now: float) -> None:
        """One has sent a whole request, and is nobody still."""
        self.leave(channel)
        self.spoke[channel] = now
        self._of.setdefault(channel.remote, {})[channel] = now

    def leave(self, channel: Any) -> None:
        """One is gone, or somebody."""
        self.spoke.pop(channel, None)
        for by_address in (self._of, self._silent):
            found = by_address.get(channel.remote, {})
            if found.pop(channel, None) is not None and not found:
                del by_address[channel.remote]

    def held(self, address: str) -> int:
        """How many an address holds."""
        return len(self._of.get(address, ()))

    def oldest_silent(self, address: str) -> Any:
        """Of an address the oldest that never sent a whole request; None when there is none."""
        return next(iter(self._silent.get(address, ())), None)

    def quietest(self, address: str) -> Any:
        """The connection of an address that has been silent for longest; None when the address has none."""
        return next(iter(self._of.get(address, ())), None)
