"""What is left in a namespace that goes, and how its conditions say so. Pure.

https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/namespace/deletion/status_condition_utils.go
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Obj = dict[str, Any]

_FINE = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": ("ContentRemoved", "All content successfully removed"),
}


@dataclass(frozen=True, slots=True)
class Remains:
    """How many objects are left of each resource (`tasks.starlink.dev`) and with each finalizer, and what could not
    be deleted for which reason."""

    resources: Mapping[str, int]
    finalizers: Mapping[str, int]
    failures: Sequence[str]


def conditions(before: Sequence[Obj], left: Remains, now: str) -> list[Obj]:
    """The next conditions of a namespace. `now` is a timestamp; a condition whose status stays keeps its own."""
    known = {one.get("type"): one for one in before}
    others = [one for one in before if one.get("type") not in _FINE]
    return [*others, *(_condition(type_, known.get(type_), left, now) for type_ in _FINE)]


def _condition(type_: str, known: Obj | None, left: Remains, now: str) -> Obj:
    wrong = _wrong(type_, left)
    reason, message = wrong or _FINE[type_]
    status = "True" if wrong else "False"
    since = known["lastTransitionTime"] if known is not None and known.get("status") == status else now
    return {"type": type_, "status": status, "lastTransitionTime": since, "reason": reason, "message": message}


def _wrong(type_: str, left: Remains) -> tuple[str, str] | None:
    """The reason and the message of a condition that is True, None of one that is not."""
    if type_ == "NamespaceDeletionContentFailure" and left.failures:
        told = (
            f"Failed to delete all resource types, {len(left.failures)} remaining: {', '.join(sorted(left.failures))}"
        )
        return "ContentDeletionFailed", told
    if type_ == "NamespaceContentRemaining" and left.resources:
        counted = sorted(f"{name} has {count} resource instances" for name, count in left.resources.items())
        return "SomeResourcesRemain", f"Some resources are remaining: {', '.join(counted)}"
    if type_ == "NamespaceFinalizersRemaining" and left.finalizers:
        counted = sorted(f"{name} in {count} resource instances" for name, count in left.finalizers.items())
        told = f"Some content in the namespace has finalizers remaining: {', '.join(counted)}"
        return "SomeFinalizersRemain", told
    return None
