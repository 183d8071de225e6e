"""What goes into a write of an object and what comes out of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from starlink.apiserver import aside
from starlink.apiserver.objects.options import WriteOptions
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Resource
from starlink.store.base import Record

Change = Callable[[Obj], Obj]
"""Makes the next object of the one that is there, which it leaves as it is."""


class Written(msgspec.Struct, frozen=True):
    """An object as it is after a write, and warnings for its writer."""

    body: bytes
    warnings: tuple[str, ...] = ()
    record: Record | None = None  # None after a dry run
    created: bool = False


class Admission(Protocol):
    """What stands between a well-formed write and the store, for one request."""

    def prepare(self, obj: Obj, old: Obj | None) -> None:
        """Puts into `obj` what the request's sender may not choose."""

    async def review(self, operation: str, obj: Obj | None, old: Obj | None, weight: int) -> Sequence[str]:
        """Gives warnings. `weight` is that of both objects: see `aside`. Raises StatusError for what is refused."""


class Unrestricted:
    """The admission of what the server itself writes."""

    def prepare(self, obj: Obj, old: Obj | None) -> None:
        """Nothing."""

    async def review(self, operation: str, obj: Obj | None, old: Obj | None, weight: int) -> Sequence[str]:
        return ()


UNRESTRICTED = Unrestricted()


@dataclass(frozen=True, slots=True)
class Write:
    """How one object is to be written: as which resource, in whose name, past which admission."""

    resource: Resource
    options: WriteOptions
    admission: Admission
    subresource: str = ""

    def weight(self, current: Record | None = None) -> int:
        """What it weighs, over what is there: see `aside`."""
        return aside.weight(self.options.weight, len(current.body) if current is not None else 0)

    async def review(self, operation: str, obj: Obj, old: Obj | None = None, kept: int = 0) -> tuple[str, ...]:
        """Admission's warnings; `old` has `kept` bytes. Raises StatusError for what is refused."""
        return tuple(await self.admission.review(operation, obj, old, self.options.weight + kept))
