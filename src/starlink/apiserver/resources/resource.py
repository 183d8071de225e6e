"""One served resource and the registry of all of them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlink.api.errors import Cause
from starlink.apiserver.schema.structure import Node


class Schema(Protocol):
    """The compiled structural schema of one kind."""

    @property
    def node(self) -> Node:
        """The schema as a tree."""

    @property
    def digest(self) -> bytes:
        """What tells it from other schemas."""

    @property
    def openapi(self) -> Mapping[str, Any]:
        """The OpenAPI v3 schema as published, with descriptions."""

    def conform(
        self, obj: dict[str, Any], *, defaults: bool, old: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], list[str]]:
        """A copy without unknown fields, and their paths (`spec.foo`, `spec.ports[0].bar`), sorted. With `defaults`,
        what is absent is filled in, and nulls of fields that may not be null give way. Parts that are very own of
        `old`, which conforms, are kept as they are."""

    def validate(self, obj: dict[str, Any], old: dict[str, Any] | None, *, subresource: str = "") -> "tuple[Any, ...]":
        """Causes (`errors.Cause`) for which `obj` is refused, by schema, list maps and CEL; empty when valid.

        Rules that mention `oldSelf` run only when `old` is given; a CEL rule that fails to evaluate is a cause, never
        a pass. Parts of `obj` that are the same in `old` are asked for nothing but the rules of a change, and an object
        that differs from `old` in its metadata alone is valid.
        """


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column; `path` is a JSONPath such as `.status.phase`, or one of `cells.CELLS`."""

    name: str
    type: str
    path: str
    description: str = ""
    format: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Scale:
    """Where the scale subresource finds its numbers."""

    spec_replicas: str
    status_replicas: str
    label_selector: str = ""


class BadValue(ValueError):
    """A field does not hold what its type is."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field


@dataclass(frozen=True, slots=True)
class Strategy:
    """What holds of the objects of one kind beyond their schema. A step is None where the kind has none; it is given an
    object, and the one that was there, if any.

    `prepare` puts into an object what the kind itself says, before it is checked, and raises BadValue. `check` says why
    the kind refuses an object that fits its schema. `prune` takes unknown fields out of an object where the schema
    knows none, and adds their paths to a list. `fill_in` puts into a new object what its writer is taken to have said.
    """

    prepare: Callable[[dict[str, Any], dict[str, Any] | None], None] | None = None
    check: "Callable[[Resource, dict[str, Any], dict[str, Any] | None], Iterable[Cause]] | None" = None
    prune: Callable[[dict[str, Any], list[str]], None] | None = None
    fill_in: Callable[[dict[str, Any]], None] | None = None


SCHEMA_ALONE = Strategy()
"""The strategy of a kind of which its schema says all."""

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource at one version, as discovery, CRUD, OpenAPI and tables see it."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool
    schema: Schema
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    selectable_fields: tuple[str, ...] = ()  # dotted, such as spec.server
    status: bool = False
    scale: Scale | None = None
    strategy: Strategy = SCHEMA_ALONE
    custom: bool = False
    generation: bool = True  # whether metadata.generation counts spec changes
    subresources: tuple[str, ...] = ()  # beside status and scale
    verbs: tuple[str, ...] = VERBS  # () for a kind that is only a body, such as TokenRequest
    name_column: bool = True
    name_rule: str = "subdomain"  # as `metadata.check` has them
    stored_as: str = ""  # the store's resource, where it is that of another group
    stored_version: str = ""  # the apiVersion that is stored, where it is another
    warning: str = ""  # what every user of a deprecated version is told
    since: int = 0  # the store's revision since which objects were written by this schema
    api_version: str = field(init=False)
    storage: str = field(init=False)  # the `resource` part of a store key
    persistent: bool = field(init=False)  # whether its objects are kept: a review is answered and forgotten

    def __post_init__(self) -> None:
        derived = {
            "api_version": f"{self.group}/{self.version}" if self.group else self.version,
            "storage": self.stored_as or f"{self.group}/{self.plural}",
            "persistent": "get" in self.verbs,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)


class Registry:
    """The resources served now: built-in ones and those that CRDs add. Replaced, never mutated in part."""

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self._by_kind: dict[tuple[str, str], Resource] = {}
        self.generation = 0
        for resource in resources:
            self.add(resource)

    def add(self, resource: Resource) -> None:
        """Serves `resource`, in place of an earlier one at the same path."""
        self._by_path[resource.group, resource.version, resource.plural] = resource
        self._changed()

    def remove(self, group: str, plural: str) -> None:
        """Stops serving every version of `plural` in `group`."""
        for path in [p for p in self._by_path if (p[0], p[2]) == (group, plural)]:
            del self._by_path[path]
        self._changed()

    def _changed(self) -> None:
        self._by_kind = {}
        self.generation += 1

    def get(self, group: str, version: str, plural: str) -> Resource | None:
        return self._by_path.get((group, version, plural))

    def all(self) -> list[Resource]:
        """Sorted by group, version and plural; the core group first."""
        return [self._by_path[path] for path in sorted(self._by_path)]

    def stored(self, storage: str) -> Resource | None:
        """A resource whose objects lie in the store as `storage`."""
        found = [r for r in self._by_path.values() if r.storage == storage and not r.stored_as]
        return next((r for r in found if not r.stored_version), found[0] if found else None)

    def find_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource an ownerReference means."""
        if not self._by_kind:
            self._by_kind = {(one.api_version, one.kind): one for one in reversed(self.all())}
        return self._by_kind.get((api_version, kind))
