"""How deep a value may be nested, so that whatever walks it has room on its stack. Pure."""

from typing import Any, TypeVar

from starlink.api import errors

MAX_DEPTH = 100

T = TypeVar("T")


def checked(value: T, what: str) -> T:
    """The value, if it is not nested too deep. Raises StatusError 400, in which `what` names it."""
    level: list[Any] = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        if not level:
            return value
        parts = (item.values() if isinstance(item, dict) else item for item in level)
        level = [below for part in parts for below in part if isinstance(below, dict | list)]
    raise errors.bad_request(f"{what} is nested more than {MAX_DEPTH} deep")
