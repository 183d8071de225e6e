"""What all instances of an agent share: where things lie, whom they run as, and the clock."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from starlink_nodeagent.journal import Journal
from starlink_nodeagent.processes import Processes
from starlink_nodeagent.user import TaskUser

FETCHES, UNPACKS = 16, 2
"""At once: a fetch waits most of its time, unpacking takes up to 80 MiB of memory."""


@dataclass
class Host:
    """`now` is epoch seconds; `path` the PATH of instances; `ports_of_others` the picked ports of all but one.

    `allow_local_artifacts` lets artifacts be fetched from loopback and link-local addresses.
    """

    server: str
    journal: Journal
    cache: Path
    artifact_dir: Path | None
    user: TaskUser
    path: str
    now: Callable[[], float]
    ports_of_others: Callable[[str], Iterable[int]] = lambda _uid: ()
    allow_local_artifacts: bool = False
    processes: Processes = field(default_factory=Processes)
    fetches: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(FETCHES))
    unpacks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(UNPACKS))
    _fetching: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _turns: asyncio.Lock = field(default_factory=asyncio.Lock)

    def ports_in_use(self, uid: str) -> set[int]:
        """The ports that other instances of this server have."""
        return set(self.ports_of_others(uid))

    def fetching(self, sha256: str) -> asyncio.Lock:
        """Held while an archive is fetched, so that instances share one fetch."""
        return self._fetching[sha256]

    async def turn(self) -> None:
        """Waits for a turn of the event loop: of all that wait, one goes on each time, so that a hundred steps that
        write to the disk let a heartbeat through in between."""
        async with self._turns:
            await asyncio.sleep(0)
