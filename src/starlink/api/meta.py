"""What every object carries: metadata, owners and conditions."""

import msgspec


class View(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The base of all views: immutable, camelCase on the wire, defaults left out when encoded."""


class OwnerReference(View, frozen=True):
    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False


class Metadata(View, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()

    @property
    def deleting(self) -> bool:
        return self.deletion_timestamp is not None

    @property
    def controller_uid(self) -> str:
        """The UID of the controlling owner, or "" when there is none."""
        return next((owner.uid for owner in self.owner_references if owner.controller), "")


class Condition(View, frozen=True):
    """One condition. `status` is True, False or Unknown; `last_transition_time` is RFC 3339 and set by
    `conditions.merge`."""

    type: str
    status: str
    reason: str
    message: str = ""
    last_transition_time: str = ""
    observed_generation: int = 0


class ObjectKey(msgspec.Struct, frozen=True, order=True):
    """Namespace and name; the namespace of a cluster-wide object is ""."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Unreadable(View, frozen=True):
    """Why an object can't be read: the first field, by its path, and what is wrong with it. `missing` are the paths of
    all fields that neither this reading nor an earlier one tells."""

    why: str
    missing: tuple[str, ...] = ()

    def lacks(self, path: str) -> bool:
        """Whether what is at the path, or a part of it, is not known."""
        return any(f"{one}.".startswith(f"{path}.") or f"{path}.".startswith(f"{one}.") for one in self.missing)


class Object(View, frozen=True):
    """What the views of all kinds share."""

    metadata: Metadata

    @property
    def unreadable(self) -> Unreadable | None:
        """Why it can't be read as a whole; None when it can. Only `api.reading` gives one."""
        return None

    @property
    def key(self) -> ObjectKey:
        return ObjectKey(self.metadata.namespace, self.metadata.name)

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def uid(self) -> str:
        return self.metadata.uid
