"""How many values JSON may hold, and its text without what stands in quotes. Pure.

One call of a C library that reads, checks or writes JSON is not interrupted, and Python runs nothing else meanwhile:
what it takes goes by the number of values, of which two bytes can be one. So they are counted before they are read,
by what stands between them. Of text, which may hold as many commas as it likes, that is looked at in pieces.
"""

from collections.abc import Iterator
from typing import Any

from starlink.api import errors

MAX_VALUES = 100_000
"""Names and values of one body, or of one object that is stored; an empty list or object counts twice. To read them
takes some 20 ms."""

_SEPARATORS = (b",", b":", b"[", b"{")
_PIECE = 64 * 1024


def check(json: bytes, what: str) -> None:
    """Raises StatusError 413, in which `what` names the JSON, when it holds more than MAX_VALUES."""
    if is_too_many(json):
        raise too_many(what)


def is_too_many(json: bytes, most: int = MAX_VALUES) -> bool:
    """Whether JSON holds more than `most`; of what is no JSON, whether what can be read of it does."""
    if len(json) <= most or separators(json) <= most:
        return False
    found = 0
    for piece in unquoted(json):
        found += separators(piece)
        if found > most:
            return True
    return False


def too_many(what: str, most: int = MAX_VALUES) -> errors.StatusError:
    """The refusal of what holds more than `most`."""
    return errors.too_large(f"{what} is too large: limit is {most} names and values")


def separators(json: bytes) -> int:
    """At least as many as there are names and values, and more where text holds what separates them."""
    return sum(map(json.count, _SEPARATORS))


def amount(value: Any) -> int:
    """How many names and values lie in a decoded value; it stops counting beyond MAX_VALUES."""
    waiting = [value] if isinstance(value, dict | list) else []
    found = 0
    while waiting and found <= MAX_VALUES:
        part = waiting.pop()
        below = part.values() if isinstance(part, dict) else part
        found += len(part) * (2 if isinstance(part, dict) else 1)
        waiting += [one for one in below if isinstance(one, dict | list)]
    return found


def unquoted(json: bytes) -> Iterator[bytes]:
    """The text without what stands in quotes, piece by piece, so that others get their turn in between."""
    plain = json.replace(b"\\\\", b"").replace(b'\\"', b"")  # now each quote begins or ends a string
    in_quotes = False
    for start in range(0, len(plain), _PIECE):
        parts = plain[start : start + _PIECE].split(b'"')
        yield b"".join(parts[in_quotes::2])
        in_quotes ^= len(parts) % 2 == 0
