"""Instances in the journal that are another server's: its agent ran on this data directory under another name. Pure.

Nobody tells this agent of them, so it does nothing to them, and counts what they have as taken.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from starlink_nodeagent.journal.record import Record

REASON = "InstancesOfAnotherServer"
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Strangers:
    """Their records, as they were left."""

    records: tuple[Record, ...] = ()

    @property
    def uids(self) -> frozenset[str]:
        return frozenset(record.uid for record in self.records)

    @property
    def orphans(self) -> tuple[str, ...]:
        """The names of those that were not over."""
        return tuple(sorted(str(record.key) for record in self.records if not record.finished))

    @property
    def message(self) -> str:
        """What a person has to know of them."""
        servers = sorted({record.server for record in self.records})
        more = len(self.orphans) - _MOST_NAMED
        names = ", ".join(self.orphans[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        return (
            f"the agent's data directory holds instances of the server {' and '.join(servers)}, which are left as they "
            f"are ({names or 'all of them over'}); start its agent with --name {servers[0]}, or this one with another "
            "--data-dir"
        )


def sort(records: Iterable[Record], server: str) -> tuple[list[Record], Strangers]:
    """The server's own records, and the others. What an earlier agent wrote without a name is the server's own."""
    found = [*records]
    own = [record for record in found if record.server in ("", server)]
    return own, Strangers(tuple(record for record in found if record.server not in ("", server)))
