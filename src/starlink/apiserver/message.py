"""What goes in and out of the framework-free core: one request, one response or stream."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class User:
    """Who asks. Anonymous is `system:anonymous` in group `system:unauthenticated`."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
AUTHENTICATED = "system:authenticated"
ADMIN_GROUP = "system:masters"
OPERATOR = "system:starlink:operator"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `path` is percent-decoded segment by segment and has no query; header
    names are lower case; `query` keeps the first value of each parameter; `remote` is the peer's address."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    user: User = ANONYMOUS
    remote: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer. `headers` holds at least Content-Type when there is a body."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer in chunks, sent as they come; closing the connection closes the iterator."""

    chunks: AsyncIterator[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
