"""What was seen to change of one object."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from starlink.api.meta import Object, ObjectKey

O = TypeVar("O", bound=Object)  # noqa: E741 - an object


@dataclass(frozen=True, slots=True)
class Change(Generic[O]):
    """`old` is None when the object is new, `new` is None when it is gone."""

    key: ObjectKey
    old: O | None
    new: O | None
