"""Assignments in little memory: what many have in common, each holds once.

A hundred thousand assignments of a thousand tasks share a thousand templates, owners and sets of labels. They are told
by their bytes, so that a template that is known is not even decoded.
"""

from typing import Any, Generic, TypeVar

import msgspec

from starlink.api.assignment import Assignment, AssignmentSpec, AssignmentStatus
from starlink.api.meta import Condition, Metadata, OwnerReference, View
from starlink.api.template import Template

T = TypeVar("T")
_MOST = 50_000  # what one memo holds
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


class _Memo(Generic[T]):
    """Values by the bytes that they are decoded from."""

    def __init__(self, type_: Any, empty: T) -> None:
        self._decoder = msgspec.json.Decoder(type_)
        self._known: dict[bytes, T] = {b"": empty}
        self._empty = empty

    def of(self, raw: msgspec.Raw) -> T:
        text = bytes(raw)
        found = self._known.get(text)
        if found is None:
            if len(self._known) >= _MOST:
                self._known = {b"": self._empty}
            found = self._known[text] = self._decoder.decode(text)
        return found


class AssignmentDecoder:
    """Reads assignments as `msgspec.json.Decoder(Assignment)` does."""

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(_Assignment)
        self._templates = _Memo[Template](Template, Template())
        self._maps = _Memo[dict[str, str]](dict[str, str], {})
        self._owners = _Memo[tuple[OwnerReference, ...]](tuple[OwnerReference, ...], ())
        self._names = _Memo[tuple[str, ...]](tuple[str, ...], ())
        self._conditions = _Memo[tuple[Condition, ...]](tuple[Condition, ...], ())
        self._words: dict[str, str] = {}

    def decode(self, body: "bytes | msgspec.Raw") -> Assignment:
        """An assignment. Raises msgspec.MsgspecError."""
        read = self._decoder.decode(body)
        return Assignment(
            metadata=self._metadata(read.metadata), spec=self._spec(read.spec), status=self._status(read.status)
        )

    def _word(self, text: str) -> str:
        if len(self._words) >= _MOST:
            self._words.clear()
        return self._words.setdefault(text, text)

    def _metadata(self, read: _Metadata) -> Metadata:
        return Metadata(
            name=read.name,
            namespace=self._word(read.namespace),
            uid=read.uid,
            resource_version=read.resource_version,
            generation=read.generation,
            creation_timestamp=self._word(read.creation_timestamp),
            deletion_timestamp=read.deletion_timestamp,
            labels=self._maps.of(read.labels),
            annotations=self._maps.of(read.annotations),
            finalizers=self._names.of(read.finalizers),
            owner_references=self._owners.of(read.owner_references),
        )

    def _spec(self, read: _Spec) -> AssignmentSpec:
        return AssignmentSpec(
            server=self._word(read.server),
            slot=self._word(read.slot),
            attempt=read.attempt,
            template=self._templates.of(read.template),
            desired=read.desired,
            reason=self._word(read.reason),
            wait_for=read.wait_for,
        )

    def _status(self, read: _Status) -> AssignmentStatus:
        return AssignmentStatus(
            observed_generation=read.observed_generation,
            phase=read.phase,
            ready=read.ready,
            reason=self._word(read.reason),
            message=self._word(read.message),
            exit_code=read.exit_code,
            signal=read.signal,
            restarts=read.restarts,
            started_at=self._word(read.started_at) if read.started_at is not None else None,
            finished_at=read.finished_at,
            endpoints=read.endpoints,
            conditions=self._conditions.of(read.conditions),
        )
