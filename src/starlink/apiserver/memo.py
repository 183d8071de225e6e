"""What is remembered of what clients say: they may invent it, so that its number is bounded, and its length."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache, wraps
from threading import Lock
from typing import Any, Generic, TypeVar

SHORT = 1024
"""Characters of all that is told apart by, up to which something is remembered."""

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def length(parts: Iterable[Any]) -> int:
    """The characters of all texts among the parts, and in the tuples among them."""
    total = 0
    for part in parts:
        if isinstance(part, str | bytes):
            total += len(part)
        elif isinstance(part, tuple):
            total += length(part)
    return total


def remembered(most: int) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Has the last `most` answers of a pure function remembered, where its arguments are short."""

    def decorated(make: Callable[..., T]) -> Callable[..., T]:
        kept = lru_cache(most)(make)

        @wraps(make)
        def answer(*arguments: Any) -> T:
            return kept(*arguments) if length(arguments) <= SHORT else make(*arguments)

        return answer

    return decorated


class Memo(Generic[K, T]):
    """At most `most` values, of `size` together, whose keys are short; it begins anew when it is full. Threads may
    share it."""

    def __init__(self, most: int, size: int) -> None:
        self._most = most
        self._size = size
        self._lock = Lock()
        self._values: dict[K, T] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def get(self, key: K) -> T | None:
        """The value of a key, None when there is none."""
        return self._values.get(key)

    def keep(self, key: K, value: T, size: int) -> None:
        """Keeps a value of such a size, its key not counted, if it may be kept."""
        characters = length(key) if isinstance(key, tuple) else length((key,))
        size += characters
        if characters > SHORT or size > self._size:
            return
        with self._lock:
            if key in self._values:
                return  # another thread has kept it too
            if len(self._values) >= self._most or self.size + size > self._size:
                self._values.clear()
                self.size = 0
            self._values[key] = value
            self.size += size


class Recent(Generic[K, T]):
    """The values that were used last, `room` together by their sizes, and one at least. Threads may share it."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._lock = Lock()
        self._kept: OrderedDict[K, tuple[T, int]] = OrderedDict()
        self.size = 0

    def __contains__(self, key: K) -> bool:
        return key in self._kept

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K) -> T | None:
        """The value of a key, which is the last used then; None when there is none."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def keep(self, key: K, value: T, size: int) -> T:
        """Keeps a value of such a size, unless the key has one already; gives the one that is kept. Those used longest
        ago give way."""
        with self._lock:
            if key in self._kept:
                return self._kept[key][0]
            self._kept[key] = value, size
            self.size += size
            while self.size > self._room and len(self._kept) > 1:
                self.size -= self._kept.popitem(last=False)[1][1]
            return value

    def forget(self, key: K) -> None:
        """Keeps the value of a key no longer."""
        with self._lock:
            if key in self._kept:
                self.size -= self._kept.pop(key)[1]
