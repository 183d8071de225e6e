"""The options of a request, read from its query and body. Raises StatusError 400 for what is not understood."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from starlink.apiserver import errors
from starlink.apiserver.errors import Cause
from starlink.apiserver.memo import remembered
from starlink.apiserver.message import Request
from starlink.apiserver.resource import Registry
from starlink.apiserver.writing import bodies

TRUE = ("true", "1", "t", "T", "TRUE", "True")
FALSE = ("false", "0", "f", "F", "FALSE", "False", "")
VALIDATIONS = ("Strict", "Warn", "Ignore")
PROPAGATIONS = ("Foreground", "Background", "Orphan")
_KINDS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}
MAX_MANAGER = 128


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


def write_options(request: Request, *, apply: bool = False) -> WriteOptions:
    """Of a create, update or patch; `apply` for a server-side apply, which must name its manager. Raises also 422."""
    patch = request.method == "PATCH" and not apply
    if not request.query and not apply:
        return _plain(request.headers.get("user-agent", ""), patch)
    validation = request.query.get("fieldValidation", "") or "Warn"
    dry_run = request.query.get("dryRun", "")
    if validation not in VALIDATIONS:
        raise _unsupported(_KINDS.get(request.method, ""), "fieldValidation", validation, ("", *sorted(VALIDATIONS)))
    _check_dry_run(_KINDS.get(request.method, ""), dry_run)
    force = flag(request, "force")
    _check_manager(request.query.get("fieldManager", ""), force=force, apply=apply)
    return WriteOptions(dry_run == "All", validation, manager_of(request), force, patch)


def manager_of(request: Request) -> str:
    """The field manager of the request's write: the one that the request names, else its client's program."""
    return request.query.get("fieldManager", "") or _named(request.headers.get("user-agent", ""))


@remembered(256)
def _plain(agent: str, patch: bool) -> WriteOptions:
    return WriteOptions(manager=_named(agent), patch=patch)


def _named(agent: str) -> str:
    """What a client is called that names no manager: as its program."""
    return agent.partition("/")[0][:MAX_MANAGER] or "unknown"


def _check_manager(manager: str, *, force: bool, apply: bool) -> None:
    cause = None
    if apply and not manager:
        cause = Cause("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")
    elif force and not apply:
        cause = Cause("FieldValueForbidden", "Forbidden: may not be specified for non-apply patch", "force")
    elif len(manager) > MAX_MANAGER or not manager.isprintable():
        why = f"Invalid value: must be at most {MAX_MANAGER} printable characters"
        cause = Cause("FieldValueInvalid", why, "fieldManager")
    if cause is not None:
        raise errors.invalid("meta.k8s.io", "PatchOptions", "", (cause,))


def delete_options(request: Request, registry: Registry) -> DeleteOptions:
    """Of a delete; the body goes before the query."""
    given = bodies.read(request, registry) if request.body else {}
    conditions = given.get("preconditions") or {}
    if not isinstance(conditions, dict):
        raise errors.bad_request("preconditions: must be an object with uid and resourceVersion")
    propagation = given.get("propagationPolicy") or request.query.get("propagationPolicy", "")
    orphans = given.get("orphanDependents")
    if propagation and orphans is not None:
        why = f'Invalid value: "{propagation}": orphanDependents and deletionPropagation cannot be both set'
        cause = Cause("FieldValueInvalid", why, "propagationPolicy")
        raise errors.invalid("meta.k8s.io", "DeleteOptions", "", (cause,))
    if propagation and propagation not in PROPAGATIONS:
        raise _unsupported("DeleteOptions", "propagationPolicy", propagation, (*PROPAGATIONS, "nil"))
    if orphans is not None:
        propagation = "Orphan" if orphans is True else "Background"
    dry = given.get("dryRun") or []
    dry_run = dry[0] if isinstance(dry, list) and dry else request.query.get("dryRun", "")
    _check_dry_run("DeleteOptions", dry_run)
    return DeleteOptions(
        str(conditions.get("uid") or ""),
        str(conditions.get("resourceVersion") or ""),
        propagation,
        dry_run == "All",
    )


def _check_dry_run(kind: str, value: object) -> None:
    if value not in ("", "All"):
        raise _unsupported(kind, "dryRun", [value], ("All",))


def _unsupported(kind: str, field: str, value: object, supported: Sequence[str]) -> errors.StatusError:
    shown = msgspec.json.encode(value).decode()
    listed = ", ".join(f'"{one}"' for one in supported)
    cause = Cause("FieldValueNotSupported", f"Unsupported value: {shown}: supported values: {listed}", field)
    return errors.invalid("meta.k8s.io", kind, "", (cause,))


def flag(request: Request, name: str) -> bool:
    """A boolean parameter, false when it is absent."""
    value = request.query.get(name, "")
    if value not in TRUE + FALSE:
        raise errors.bad_request(f"{name}: {value!r} is neither true nor false")
    return value in TRUE


def limit(request: Request, name: str, most: int) -> int:
    """A bound: 0 for none, as what is below 0 means too; what is above `most` is `most`."""
    text = request.query.get(name, "")
    digits = text.lstrip("+-")
    if text[: len(text) - len(digits)] not in ("", "+", "-") or (text and not _is_digits(digits)):
        raise errors.bad_request(f"{name}: {text!r} is not a whole number")
    return min(max(int(text or 0), 0), most)


def whole_number(request: Request, name: str) -> int:
    """A number of at least 0, which it is when absent."""
    text = request.query.get(name, "")
    if not text:
        return 0
    if not _is_digits(text):
        raise errors.bad_request(f"{name}: {text!r} is not a whole number of at least 0")
    return int(text)


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 19
