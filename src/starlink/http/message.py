"""What goes in and out of the framework-free core: one request, one response or stream."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

IMPERSONATION = "impersonate-"
"""How the names of the headers begin that say as whom a request is to be done."""


class User(msgspec.Struct, frozen=True):
    """Who asks. Anonymous is `system:anonymous` in group `system:unauthenticated`. `extra` is what else is known, as
    pairs of a key and its values."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def info(self) -> dict[str, Any]:
        """The UserInfo of authentication.k8s.io/v1, without what is empty."""
        info: dict[str, Any] = {"username": self.name}
        if self.uid:
            info["uid"] = self.uid
        if self.groups:
            info["groups"] = list(self.groups)
        if self.extra:
            info["extra"] = {key: list(values) for key, values in self.extra}
        return info


UNAUTHENTICATED = "system:unauthenticated"
ANONYMOUS = User("system:anonymous", (UNAUTHENTICATED,))
AUTHENTICATED = "system:authenticated"
ADMIN_GROUP = "system:masters"
OPERATOR = "system:starlink:operator"


def separator(header: str) -> str:
    """What stands between the values of a header that came several times. Those of impersonation may hold commas,
    and none can hold a line feed."""
    return "\n" if header.startswith(IMPERSONATION) else ","


class Request(msgspec.Struct, frozen=True):
    """One HTTP request. `path` is percent-decoded segment by segment and has no query; header names are lower case,
    and values of equal headers joined by their `separator`; `query` keeps the first value of each parameter; `remote`
    is the peer's address; `sender` is who sent it, where it is done as another `user`; `decoded` is what the body says,
    if it was read already."""

    method: str
    path: str
    query: Mapping[str, str] = msgspec.field(default_factory=dict)
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""
    user: User = ANONYMOUS
    remote: str = ""
    sender: User | None = None
    decoded: dict[str, Any] | None = None


class Response(msgspec.Struct, frozen=True):
    """A whole answer. `headers` holds at least Content-Type when there is a body."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


class Stream(msgspec.Struct, frozen=True):
    """An answer in chunks, sent as they come; closing the connection closes the iterator."""

    chunks: AsyncIterator[bytes]
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    status: int = 200


class Parts(msgspec.Struct, frozen=True):
    """An answer that is made of those to `count` other requests, which the same sender asks for, each by itself:
    `join` makes it of their answers, in the order of `requests`. What is not begun when the answers take `most` bytes
    is answered with `refusal` instead."""

    requests: Iterator[Request]
    count: int
    join: Callable[[Sequence[Response]], Response]
    most: int
    refusal: Response
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    status: int = 200


Answer = Response | Stream | Parts
