"""Artifacts of instances: fetched once for all who want the same, and unpacked where they are to be."""

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO
from weakref import WeakValueDictionary

from starlink.api.template import ArtifactReference
from starlink_nodeagent.artifacts.eviction import Eviction, Limits
from starlink_nodeagent.artifacts.lanes import Lanes, Progress
from starlink_nodeagent.threads import Slots
from starlink_nodeagent.users.uids import Task

UNPACKS = 2
"""At once: unpacking takes up to 80 MiB of memory."""


class Artifacts:
    """Kept in `cache`, within `limits`; those named file:NAME lie in `folder`. `in_use` gives the digests of what
    instances have, `now` epoch seconds. `allow_local` lets them be fetched from loopback and link-local addresses."""

    def __init__(
        self,
        cache: Path,
        folder: Path | None,
        limits: Limits,
        in_use: Callable[[], Collection[str]],
        now: Callable[[], float],
        *,
        allow_local: bool = False,
    ) -> None:
        self.folder = folder
        self.fetches = Lanes()
        self.eviction = Eviction(cache, limits, in_use, now)
        self.allow_local, self._cache = allow_local, cache
        self._unpacks = Slots(UNPACKS)
        self._fetching: WeakValueDictionary[ArtifactReference, asyncio.Lock] = WeakValueDictionary()
        """Held while an archive is fetched. Of one URL alone: a slow server that has the same archive holds up nobody
        else's."""

    async def unpack(self, artifact: ArtifactReference, target: Path, owner: Task) -> None:
        """Unpacks it into `target`, which is made. Raises ArtifactError, OSError."""
        # Imported when first needed: an agent without artifacts stays small.
        from starlink.artifacts.errors import shown
        from starlink.artifacts.fetch import Places, fetch
        from starlink.artifacts.guard import Guard
        from starlink.artifacts.unpack import unpack

        places = Places(self._cache, self.folder, Guard(self.allow_local))

        def fetched(progress: Progress) -> IO[bytes]:
            return fetch(artifact.url, artifact.sha256, places, pace=progress.pace)

        async with self._fetching.setdefault(artifact, asyncio.Lock()):
            with await self.fetches.run(owner, fetched) as archive:
                self.eviction.look_again()
                await self._unpacks.run(unpack, archive, target, shown(artifact.url))
