"""What is written down of strangers' refused requests: each, but of a flood only so many and the number of the others.

The audit log is kept for so many bytes. Whoever could write into it at will, without being anybody, could push out of
it what they have done before.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from starlink.apiserver.requests.audit import AuditLog

WINDOW_SECONDS = 1.0
MOST_OF_ONE = 10
"""Lines for one address in a window."""
MOST = 100
"""Lines for all addresses in a window, and addresses whose number of further refusals is told by itself."""

Later = Callable[[float, Callable[[], None]], object]
"""Calls after so many seconds."""


class Refusals:
    """Writes to an audit log; `later` ends a window, whose first refusal begins it."""

    def __init__(self, audit: AuditLog, later: Later) -> None:
        self._audit = audit
        self._later = later
        self._written: Counter[str] = Counter()
        self._untold: Counter[str] = Counter()

    def write(self, remote: str, entry: Mapping[str, Any]) -> None:
        """Writes a refusal that the address `remote` got, or counts it."""
        if not self._written:
            self._later(WINDOW_SECONDS, self._end)
        if self._written[remote] < MOST_OF_ONE and self._written.total() < MOST:
            self._written[remote] += 1
            self._audit.write(entry)
        else:
            self._untold[remote] += 1

    def _end(self) -> None:
        named = self._untold.most_common(MOST)
        others = self._untold.total() - sum(number for _, number in named)
        for remote, number in named:
            self._audit.write({"sourceIP": remote, "reason": f"{number} more refused requests within a second"})
        if others:
            told = f"{others} more refused requests from {len(self._untold) - MOST} further addresses within a second"
            self._audit.write({"reason": told})
        self._written.clear()
        self._untold.clear()
