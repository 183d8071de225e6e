"""Parts of JSON by pointer (https://www.rfc-editor.org/rfc/rfc6901), as the real server's library finds them. Pure.

It takes more than the RFC: whatever stands before the first slash is skipped, an index of a list may count from its end
or begin with a sign or zeros, and a member that is not there is read as null.

https://github.com/evanphx/json-patch/blob/v4.12.0/patch.go (findObject, partialDoc, partialArray)
"""

import re
from typing import Any

Holder = dict[str, Any] | list[Any]

APPEND = "-"
"""The key of the place behind a list's last entry, to which only something new can be added."""

_INDEX = re.compile(r"([+-]?)(?=[0-9])0*+([0-9]{0,19})")
_MOST_SHOWN = 100


class Misfit(Exception):
    """Why a document has not what is asked of it, in words that show nothing of it."""


def find(document: Holder, pointer: str) -> tuple[Holder, str] | None:
    """What holds the part that a pointer names, which may be missing there, and the part's key. None where nothing
    does, and for a pointer without a slash, such as that of the whole document."""
    _, slash, path = pointer.partition("/")
    if not slash:
        return None
    *parents, key = map(_unescaped, path.split("/"))
    holder: Any = document
    for parent in parents:
        try:
            holder = get(holder, parent)
        except Misfit:
            return None
        if not isinstance(holder, dict | list):
            return None
    return holder, key


def get(holder: Holder, key: str) -> Any:
    """The part, None for a member that is not there. Raises Misfit for such an entry of a list."""
    return holder.get(key) if isinstance(holder, dict) else holder[_index(key, len(holder))]


def put(holder: Holder, key: str, value: Any) -> None:
    """Puts a value in the place of a part, which may be a member that is not there. Raises Misfit."""
    if isinstance(holder, dict):
        holder[key] = value
    else:
        holder[_index(key, len(holder))] = value


def insert(holder: Holder, key: str, value: Any) -> int:
    """Adds a part, and gives the count of entries that moved. An index from the end names the place that the new entry
    will have. Raises Misfit."""
    if isinstance(holder, dict):
        holder[key] = value
        return 0
    size = len(holder)
    index = size if key == APPEND else _index(key, size + 1)
    holder.insert(index, value)
    return size - index


def remove(holder: Holder, key: str) -> int:
    """Takes a part away, and gives the count of entries that moved. Raises Misfit."""
    if isinstance(holder, dict):
        if key not in holder:
            raise Misfit(f'Unable to remove nonexistent key: "{key}"')
        del holder[key]
        return 0
    index = _index(key, len(holder))
    del holder[index]
    return len(holder) - index


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _index(key: str, size: int) -> int:
    number = _INDEX.fullmatch(key)
    if not number:
        raise Misfit(f'value was not a proper array index: "{key[:_MOST_SHOWN]}"')
    index = int(number[1] + (number[2] or "0"))
    if not -size <= index < size:
        raise Misfit(f"Unable to access invalid index: {index}")
    return index % size
