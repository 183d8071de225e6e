"""Objects that a planner makes of others, and keeps as they are to be. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from starlink.api.kinds import Kind
from starlink.api.meta import Metadata, ObjectKey, Unreadable
from starlink.planning.plan import Apply


class Child(Protocol):
    """An object whose spec its planner writes."""

    @property
    def key(self) -> ObjectKey: ...
    @property
    def uid(self) -> str: ...
    @property
    def metadata(self) -> Metadata: ...
    @property
    def unreadable(self) -> Unreadable | None: ...
    @property
    def spec(self) -> Any: ...


def applied(kind: Kind, child: Child, spec: Mapping[str, Any]) -> Sequence[Apply]:
    """What has the child be of this spec: nothing where it is so already, be it by defaults, is being deleted, or can't
    be read. Raises msgspec.ValidationError for a spec that is none of the kind."""
    if child.unreadable is not None or child.metadata.deleting:
        return ()
    had, wanted = _plain(child.spec), _plain(msgspec.convert(spec, type(child.spec)))
    if had == wanted:
        return ()
    return (Apply(kind, child.key, child.uid, child.metadata.resource_version, had, wanted),)


def _plain(view: Any) -> dict[str, Any]:
    """As it stands in JSON, without defaults."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(view))
    return plain
