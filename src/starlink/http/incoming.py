"""A request as it came over the wire."""

from collections.abc import Mapping
from typing import NamedTuple


class Incoming(NamedTuple):
    """One whole request. `keep`: the connection may be kept after it; `chunks`: the client knows chunked
    bodies; `expects` a 100 before its answer."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    keep: bool
    chunks: bool
    expects: bool
