"""The deterministic names of what StarLink makes."""

import hashlib
from functools import lru_cache


def assignment_name(task: str, revision: str, slot: str, attempt: int) -> str:
    """`<task>-<revision>-<slot>-<attempt>`; never used twice, for attempts only rise."""
    return f"{task}-{revision}-{slot}-{attempt}"


@lru_cache(maxsize=16_384)
def server_hash(server: str) -> str:
    """Eight hexadecimal digits that stand for a server in the names of slots, which are shorter than server names."""
    return hashlib.sha256(server.encode()).hexdigest()[:8]


def event_name(object_name: str, object_uid: str, reason: str, message: str) -> str:
    """The same event of the same object has the same name, so that a repetition counts up; one that tells a state has
    no `message` in it."""
    told = "\0".join((object_uid, reason, message)).encode()
    return f"{object_name}.{hashlib.sha256(told).hexdigest()[:16]}"
