"""Parts of objects that come again and again, such as the template that all Assignments of a task have.

A part is told by its JSON, so that what was found of it once holds for every object that has it at the same place of
the schema: how it looks conformed, that it is valid, and which fields it has. What is remembered is shared, and
therefore never changed.
"""

from threading import Lock
from typing import Any

import msgspec

_MOST = 256
"""Parts that one place of a schema remembers, the newest."""

_ROOM = 256 * 1024
"""Bytes of JSON that one place remembers: as values they take some ten times that."""

_LONGEST = 8 * 1024
"""Bytes of a part that is remembered; what is longer is told apart slowly and seldom comes again."""

_encode = msgspec.json.Encoder().encode

Obj = dict[str, Any]


class Part:
    """One part: as it `came`, and conformed. `valid`: every rule was met that asks for no old value. `fields` is its
    tree of fields, None until somebody wants it."""

    __slots__ = ("came", "fields", "fitting", "key", "valid")

    def __init__(self, key: bytes, came: Obj, fitting: Obj) -> None:
        self.key = key
        self.came = came
        self.fitting = fitting
        self.valid = False
        self.fields: Obj | None = None


class Repeats:
    """The parts at one place of a schema, for any thread."""

    __slots__ = ("_by_identity", "_by_key", "_lock", "_taken")

    def __init__(self) -> None:
        self._lock = Lock()
        self._taken = 0
        self._by_key: dict[bytes, Part] = {}
        self._by_identity: dict[int, Part] = {}

    def recalled(self, value: Obj) -> tuple[bytes, Obj | None]:
        """The key of a part as it came, and the part conformed if it came before.

        YAML has values that are no JSON, and are written as some: equal JSON alone does not make them the same.
        """
        key = _encode(value)
        part = self._by_key.get(key)
        return key, part.fitting if part is not None and part.came == value else None

    def remember(self, key: bytes, value: Obj, fitting: Obj) -> None:
        """Keeps how a part that had no unknown fields looks conformed."""
        if len(key) > _LONGEST:
            return
        with self._lock:
            if key in self._by_key:
                return
            self._taken += len(key)
            while len(self._by_key) >= _MOST or self._taken > _ROOM:
                oldest = self._by_key.pop(next(iter(self._by_key)))
                del self._by_identity[id(oldest.fitting)]
                self._taken -= len(oldest.key)
            self._by_key[key] = self._by_identity[id(fitting)] = Part(key, value, fitting)

    def of(self, fitting: Any) -> Part | None:
        """What is remembered of a conformed part; None when this very object is not remembered."""
        return self._by_identity.get(id(fitting))

    def is_valid(self, fitting: Any) -> bool:
        part = self._by_identity.get(id(fitting))
        return part is not None and part.valid
