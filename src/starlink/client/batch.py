"""Several writes in one request: how many fit, what is asked, and what the answer says of each. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import msgspec

from starlink.api.kinds import BULK_WRITE, Kind

FEWEST, FIRST, MOST_ITEMS = 8, 64, 500
"""Writes in a request: on a server that is slow; at first; and at most, which is the server's bound."""
SHORT_SECONDS, LONG_SECONDS = 0.25, 1.0
"""For a request. A longer one comes near to the time for which it is waited, after which nothing is known of it."""
MOST_BYTES = 1024 * 1024
"""Of the objects in one request."""


@dataclass(frozen=True, slots=True)
class Write:
    """The creation of an object, or a merge patch of the status of one; `content` is its JSON."""

    verb: Literal["create", "patch"]
    namespace: str
    name: str
    content: bytes


class Outcome(msgspec.Struct):
    """What is answered of one write: the JSON of what was written, or of the Status that refuses it."""

    code: int
    object: msgspec.Raw

    @property
    def refused(self) -> bool:
        return self.code >= 400


class Nonsense(ValueError):
    """An answer that does not say what became of what was asked."""


class Size:
    """How many writes go in one request, by how long the requests before took."""

    def __init__(self) -> None:
        self.most = FIRST

    def answered(self, writes: int, seconds: float) -> None:
        """A request of so many was answered."""
        if seconds > LONG_SECONDS:
            self.lost(writes)
        elif seconds < SHORT_SECONDS and writes >= self.most:
            self.most = min(2 * self.most, MOST_ITEMS)

    def lost(self, writes: int) -> None:
        """A request of so many was not answered in time."""
        self.most = max(min(self.most, writes // 2), FEWEST)


def fitting(writes: Iterable[Write], most: int) -> int:
    """How many of the first go into one request of so many at most: one at least."""
    count = 0
    for size in accumulate(len(write.content) for write in writes):
        if count == most or (count and size > MOST_BYTES):
            break
        count += 1
    return count


class _Item(msgspec.Struct, omit_defaults=True):
    verb: str
    namespace: str
    object: msgspec.Raw
    name: str = ""
    subresource: str = ""


class _Request(msgspec.Struct, rename={"api_version": "apiVersion"}):
    items: list[_Item]
    api_version: str = BULK_WRITE.api_version
    kind: str = BULK_WRITE.kind


def request(writes: Iterable[Write]) -> bytes:
    """The body that asks for these."""
    return msgspec.json.encode(_Request([_item(write) for write in writes]))


def _item(write: Write) -> _Item:
    content = msgspec.Raw(write.content)
    if write.verb == "create":
        return _Item(write.verb, write.namespace, content)
    return _Item(write.verb, write.namespace, content, write.name, "status")


class _Answer(msgspec.Struct):
    kind: str
    items: list[Outcome]


class _Name(msgspec.Struct):
    name: str = ""
    namespace: str = ""


class _Object(msgspec.Struct):
    kind: str
    metadata: _Name = msgspec.field(default_factory=_Name)


_answer = msgspec.json.Decoder(_Answer)
_object = msgspec.json.Decoder(_Object)


def outcomes(body: bytes, kind: Kind, writes: Sequence[Write]) -> Sequence[Outcome]:
    """What an answer says of each of the writes of objects of a kind, in their order. Raises Nonsense where it is not
    the answer to what was asked, in any part: then none of it can be relied on."""
    try:
        answer = _answer.decode(body)
        if answer.kind != BULK_WRITE.kind or len(answer.items) != len(writes):
            raise Nonsense(f"{len(writes)} writes were asked for, and {len(answer.items)} are answered")
        for outcome, write in zip(answer.items, writes, strict=True):
            _check(outcome, kind, write)
    except msgspec.MsgspecError as error:
        raise Nonsense(f"the answer to {len(writes)} writes can't be read: {error}") from None
    return answer.items


def _check(outcome: Outcome, kind: Kind, write: Write) -> None:
    """That it is of the object that was asked for. Raises Nonsense, MsgspecError."""
    found = _object.decode(outcome.object)
    if outcome.refused:
        is_answer = found.kind == "Status"
    else:
        same = (found.metadata.namespace, found.metadata.name) == (write.namespace, write.name)
        is_answer = 200 <= outcome.code < 300 and found.kind == kind.kind and same
    if not is_answer:
        of = f"{kind.kind} {write.namespace}/{write.name}"
        raise Nonsense(f"code {outcome.code} with an object of kind {found.kind} is no answer to a write of {of}")


class _Resource(msgspec.Struct):
    name: str = ""
    verbs: list[str] = []


class _Resources(msgspec.Struct):
    resources: list[_Resource] = []


def is_offered(resources: bytes) -> bool:
    """Whether a server's APIResourceList of the group says that it takes such requests."""
    try:
        found = msgspec.json.decode(resources, type=_Resources).resources
    except msgspec.MsgspecError:
        return False
    return any(one.name == BULK_WRITE.plural and "create" in one.verbs for one in found)
