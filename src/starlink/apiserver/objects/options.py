"""How an object is to be written or deleted."""

from dataclasses import dataclass
from typing import Any

EVERYTHING = "everything"
NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a write is to be done, and in whose name; `field_validation` is Strict, Warn or Ignore. `patch`: what is
    written was made by a patch; `body_warnings` are of fields that the body says more than once, or that no operation
    of a JSON patch has; `weight` is how many bytes the request brings, see `aside`. `brought` is the patch, whose
    values its sender knows: EVERYTHING where the whole object was sent, NOTHING where a patch makes values of what is
    stored."""

    dry_run: bool = False
    field_validation: str = "Warn"
    manager: str = "starlink"
    force: bool = False
    patch: bool = False
    body_warnings: tuple[str, ...] = ()
    weight: int = 0
    brought: Any = EVERYTHING


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """What must hold of the object, and what becomes of its dependents."""

    uid: str = ""
    resource_version: str = ""
    propagation: str = ""  # Background, Foreground, Orphan
    dry_run: bool = False
