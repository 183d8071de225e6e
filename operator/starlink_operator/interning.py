"""Assignments in little memory: what many have in common, each holds once.

A hundred thousand assignments of a thousand tasks share a thousand templates, owners and sets of labels. They are told
by their bytes, so that a template that is known is not even decoded.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from starlink.api.assignment import Assignment, AssignmentSpec, AssignmentStatus
from starlink.api.meta import Condition, Metadata, OwnerReference, View
from starlink.api.template import Template

K = TypeVar("K", str, bytes)
T = TypeVar("T")
MOST_TEMPLATES = 1024 * 1024
MOST = 256 * 1024
"""What a memo of templates holds, and one of anything else, by the length of the texts; the values take some three
times as much, and twice as much of both is held at times. Assignments come and go, and conditions are new each time."""
_EMPTY = msgspec.Raw(b"")


# The views, with what is shared left as bytes.


class _Metadata(Metadata, frozen=True):
    labels: msgspec.Raw = _EMPTY  # type: ignore[assignment]
    annotations: msgspec.Raw = _EMPTY  # type: ignore[assignment]
    finalizers: msgspec.Raw = _EMPTY  # type: ignore[assignment]
    owner_references: msgspec.Raw = _EMPTY  # type: ignore[assignment]


class _Spec(AssignmentSpec, frozen=True):
    template: msgspec.Raw  # type: ignore[assignment]


class _Status(AssignmentStatus, frozen=True):
    conditions: msgspec.Raw = _EMPTY  # type: ignore[assignment]


class _Assignment(View, frozen=True):
    metadata: _Metadata
    spec: _Spec
    status: _Status = _Status()


class Memo(Generic[K, T]):
    """Values by the texts that `make` makes them of: two generations, of which the older goes when the younger holds
    texts of `most` together. What is asked for meanwhile passes from the older to the younger, and stays."""

    def __init__(self, make: Callable[[K], T], most: int = MOST) -> None:
        self._make: Callable[[K], T] = make
        self._most = most
        self._size = 0
        self._young: dict[K, T] = {}
        self._old: dict[K, T] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def of(self, text: K) -> T:
        """The value of a text."""
        if text in self._young:
            return self._young[text]
        made = self._old.pop(text) if text in self._old else self._make(text)
        self._size += len(text)
        if self._size > self._most:
            self._young, self._old, self._size = {}, self._young, len(text)
        self._young[text] = made
        return made


class _Decoded(Memo[bytes, T]):
    """What raw JSON of a type holds; `empty` where there is none."""

    def __init__(self, type_: Any, empty: T, most: int = MOST) -> None:
        decode = msgspec.json.Decoder(type_).decode
        super().__init__(lambda text: decode(text) if text else empty, most)

    def within(self, raw: msgspec.Raw) -> T:
        return self.of(bytes(raw))


class AssignmentDecoder:
    """Reads assignments as `msgspec.json.Decoder(Assignment)` does."""

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(_Assignment)
        self._templates = _Decoded[Template](Template, Template(), MOST_TEMPLATES)
        self._maps = _Decoded[dict[str, str]](dict[str, str], {})
        self._owners = _Decoded[tuple[OwnerReference, ...]](tuple[OwnerReference, ...], ())
        self._names = _Decoded[tuple[str, ...]](tuple[str, ...], ())
        self._conditions = _Decoded[tuple[Condition, ...]](tuple[Condition, ...], ())
        self._word = Memo[str, str](str).of

    def decode(self, body: "bytes | msgspec.Raw") -> Assignment:
        """An assignment. Raises msgspec.MsgspecError."""
        read = self._decoder.decode(body)
        return Assignment(
            metadata=self._metadata(read.metadata), spec=self._spec(read.spec), status=self._status(read.status)
        )

    def _metadata(self, read: _Metadata) -> Metadata:
        return Metadata(
            name=read.name,
            namespace=self._word(read.namespace),
            uid=read.uid,
            resource_version=read.resource_version,
            generation=read.generation,
            creation_timestamp=self._word(read.creation_timestamp),
            deletion_timestamp=read.deletion_timestamp,
            labels=self._maps.within(read.labels),
            annotations=self._maps.within(read.annotations),
            finalizers=self._names.within(read.finalizers),
            owner_references=self._owners.within(read.owner_references),
        )

    def _spec(self, read: _Spec) -> AssignmentSpec:
        return AssignmentSpec(
            server=self._word(read.server),
            slot=self._word(read.slot),
            attempt=read.attempt,
            template=self._templates.within(read.template),
            desired=self._word(read.desired),
            reason=self._word(read.reason),
            wait_for=read.wait_for,
            host_ports=read.host_ports,
        )

    def _status(self, read: _Status) -> AssignmentStatus:
        return AssignmentStatus(
            observed_generation=read.observed_generation,
            phase=self._word(read.phase),
            ready=read.ready,
            reason=self._word(read.reason),
            message=self._word(read.message),
            exit_code=read.exit_code,
            signal=read.signal,
            restarts=read.restarts,
            started_at=self._word(read.started_at) if read.started_at is not None else None,
            finished_at=read.finished_at,
            endpoints=read.endpoints,
            result=read.result,
            conditions=self._conditions.within(read.conditions),
        )
