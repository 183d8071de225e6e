"""What planning one object raises stays with that object."""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Bulkhead(Generic[K]):
    """`errors` has what was raised `around` each key."""

    def __init__(self) -> None:
        self.errors: dict[K, Exception] = {}

    @contextmanager
    def around(self, key: K) -> Iterator[None]:
        """Keeps what is raised inside, and goes on after it."""
        try:
            yield
        except Exception as error:
            self.errors[key] = error
