"""The narrow protocol behind which every store stands.

A store keeps encoded objects under keys, gives each write a revision that only rises, and tells
watchers about committed writes in revision order. It knows nothing of Kubernetes beyond that: no
schema, no metadata, no JSON. A write that was acknowledged survives `kill -9`.
"""

from collections.abc import AsyncIterator, Callable, Collection, Hashable, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

REVISION_STEP = 1_000_000_000
"""What revisions skip when some that were told may be lost. No client has got that far, so none resumes
across it: https://etcd.io/docs/v3.6/op-guide/recovery/ advises the same step."""


class Key(NamedTuple):
    """Where an object lies: `resource` is `group/plural` (`/namespaces` in the core group)."""

    resource: str
    namespace: str
    name: str


class Record(msgspec.Struct, frozen=True, gc=False):
    """One stored object as of `revision`; `body` is what was put, byte for byte."""

    key: Key
    revision: int
    body: bytes


class Change(StrEnum):
    PUT = "PUT"
    DELETE = "DELETE"


class Event(msgspec.Struct, frozen=True, gc=False):
    """A committed write. `record` is the object after it (for DELETE: its last body, at the
    revision of the deletion); `previous` is the object before it, None when it was created."""

    change: Change
    record: Record
    previous: Record | None


class Topic(NamedTuple):
    """What narrows a watch of a resource: the events of objects that have `value` in a field, or had it before.

    `values` gives what an event's object has there, before and after. It is asked once an event for all who watch by
    an equal `field`, whichever of them gave it.
    """

    field: Hashable
    value: str
    values: Callable[[Event], Collection[str]]


class Conflict(Exception):
    """The key is not at the expected revision; `current` is what is there (None: nothing)."""

    def __init__(self, key: Key, expected: int, current: Record | None) -> None:
        super().__init__(f"{key}: expected revision {expected}, found {current.revision if current else 0}")
        self.key, self.expected, self.current = key, expected, current


class Expired(Exception):
    """The revision asked for is older than the oldest event still kept: list again."""


class StoreUnavailable(Exception):
    """The write could not be made durable (a full disk, a lost backend); nothing was acknowledged."""


class StoreRefused(Exception):
    """What is stored is not for this version, or can't be trusted; the message names it and what to do."""


def anything(key: Key, body: bytes) -> bool:
    """For stores that ask nothing of a body."""
    return True


class Watch(Protocol):
    """A stream of event batches of one resource, in revision order, without gaps.

    Taking ends with Expired when the watcher is too slow for what is kept, and with StoreUnavailable
    when the store closes. One task takes.
    """

    @property
    def behind(self) -> int:
        """How many committed events have not been taken yet; those of other namespaces count, of other topics not."""

    def take(self) -> Sequence[Event]:
        """The next events, none when there are none yet. Raises Expired or StoreUnavailable."""

    async def wait(self) -> None:
        """Returns when there may be something to take, or `wake` was called. Where many watch, those who are behind
        have their turn together too."""

    def wake(self) -> None: ...

    def __aiter__(self) -> AsyncIterator[Sequence[Event]]:
        """Waits and takes, for ever."""

    def close(self) -> None: ...


class Store(Protocol):
    """What the API server asks of a backend. Reads are from memory and never block."""

    @property
    def revision(self) -> int:
        """The last committed revision."""

    @property
    def problem(self) -> str:
        """Why nothing is written until somebody has put something right, and what that is; empty when all is well."""

    async def open(self) -> None: ...
    async def close(self) -> None: ...

    def get(self, key: Key) -> Record | None:
        """The committed object."""

    def latest(self, key: Key) -> Record | None:
        """The object with writes that are still on their way to the disk: what a read-modify-write
        must start from."""

    def list(self, resource: str, namespace: str | None = None) -> Sequence[Record]:
        """The committed objects of a resource, sorted by namespace and name, as of `revision`."""

    def list_at(self, resource: str, namespace: str | None, revision: int) -> Sequence[Record]:
        """The same as of an earlier revision. Raises Expired when what happened since is no longer kept."""

    async def put(self, key: Key, body: bytes, *, expect: int) -> Record:
        """Writes; returns when durable. `expect` is the revision the key must be at, 0 for absent.

        Raises Conflict (nothing written) or StoreUnavailable.
        """

    async def delete(self, key: Key, *, expect: int) -> Record:
        """Deletes; the record returned carries the revision of the deletion. Raises as `put`."""

    def resources(self) -> Sequence[str]:
        """The resources of which there are committed objects."""

    def watch(self, resource: str | None, namespace: str | None, since: int, topic: Topic | None = None) -> Watch:
        """Events after revision `since`, of one resource or of all; with `topic`, of a resource those that belong
        to it. Raises Expired when they are no longer kept."""

    async def reaches(self, revision: int, seconds: float) -> bool:
        """Whether `self.revision` is at least `revision`, within `seconds`: another server of the same objects
        may have told it, and this one may be behind."""
