"""The reads of a store that holds all of its objects in memory."""

from collections.abc import Sequence

from starlink.store.base import Key, Record, Topic, Watch
from starlink.store.state import State


class Reads:
    """The part of `base.Store` that only looks at a `State`, which who inherits it writes to."""

    def __init__(self, kept: int) -> None:
        self._state = State(kept)

    @property
    def revision(self) -> int:
        return self._state.revision

    @property
    def problem(self) -> str:
        return ""

    def get(self, key: Key) -> Record | None:
        return self._state.get(key)

    def latest(self, key: Key) -> Record | None:
        return self._state.latest(key)

    def list(self, resource: str, namespace: str | None = None) -> Sequence[Record]:
        return self._state.list(resource, namespace)

    def list_at(self, resource: str, namespace: str | None, revision: int) -> Sequence[Record]:
        return self._state.list_at(resource, namespace, revision)

    def resources(self) -> Sequence[str]:
        return self._state.resources()

    def watch(self, resource: str | None, namespace: str | None, since: int, topic: Topic | None = None) -> Watch:
        return self._state.history.watch(resource, namespace, since, topic)

    async def reaches(self, revision: int, seconds: float) -> bool:
        """No other server writes what this one holds, so there is nothing to wait for."""
        return revision <= self.revision
