"""The options of a request, read from its query and body. Raises StatusError 400 for what is not understood."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from starlink.api import errors
from starlink.api.errors import Cause
from starlink.apiserver.memo import remembered
from starlink.apiserver.objects.options import DeleteOptions, WriteOptions
from starlink.apiserver.requests import bodies
from starlink.apiserver.resources.resource import Registry
from starlink.http.message import Request

VALIDATIONS = ("Strict", "Warn", "Ignore")
PROPAGATIONS = ("Foreground", "Background", "Orphan")
_KINDS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}
MAX_MANAGER = 128


def write_options(request: Request, *, apply: bool = False) -> WriteOptions:
    """Of a create, update or patch; `apply` for a server-side apply, which must name its manager. Raises also 422."""
    patch = request.method == "PATCH" and not apply
    if not request.query and not apply:
        return _plain(request.headers.get("user-agent", ""), patch)
    query = request.query
    causes = [
        *_patch_causes(query, apply=apply, patch=patch),
        *_manager_causes(query.get("fieldManager", "")),
        *_dry_run_causes([query["dryRun"]] if "dryRun" in query else []),
        *_validation_causes(query.get("fieldValidation", "")),
    ]
    if causes:
        raise errors.invalid("meta.k8s.io", _KINDS[request.method], "", tuple(causes))
    validation = query.get("fieldValidation", "") or "Warn"
    return WriteOptions("dryRun" in query, validation, manager_of(request), apply and flag(request, "force"), patch)


def _patch_causes(query: Mapping[str, str], *, apply: bool, patch: bool) -> Iterator[Cause]:
    if patch and "force" in query:
        yield Cause("FieldValueForbidden", "Forbidden: may not be specified for non-apply patch", "force")
    if apply and not query.get("fieldManager"):
        yield Cause("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")


def _manager_causes(manager: str) -> Iterator[Cause]:
    if len(manager.encode(errors="surrogatepass")) > MAX_MANAGER:
        why = f"Too long: may not be more than {MAX_MANAGER} bytes"
        yield Cause("FieldValueTooLong", why, "fieldManager")
    elif not manager.isprintable():
        where, character = next((at, one) for at, one in enumerate(manager) if not one.isprintable())
        why = f"invalid character U+{ord(character):04X} (at position {len(manager[:where].encode())})"
        yield Cause("FieldValueInvalid", f"Invalid value: {_quoted(manager)}: {why}", "fieldManager")


def _validation_causes(validation: str) -> Iterator[Cause]:
    if validation and validation not in VALIDATIONS:
        yield _unsupported("fieldValidation", _quoted(validation), ("", *sorted(VALIDATIONS)))


def _dry_run_causes(values: Sequence[str]) -> Iterator[Cause]:
    if any(value != "All" for value in values):
        yield _unsupported("dryRun", f"[]string{{{', '.join(map(_quoted, values))}}}", ("All",))


def _unsupported(field: str, shown: str, supported: Sequence[str]) -> Cause:
    listed = ", ".join(f'"{one}"' for one in supported)
    return Cause("FieldValueNotSupported", f"Unsupported value: {shown}: supported values: {listed}", field)


def _quoted(text: str) -> str:
    """As Go quotes it."""
    shown = (
        one if one.isprintable() else f"\\x{ord(one):02x}" for one in text.replace("\\", "\\\\").replace('"', '\\"')
    )
    return f'"{"".join(shown)}"'


def manager_of(request: Request) -> str:
    """The field manager of the request's write: the one that the request names, else its client's program."""
    return request.query.get("fieldManager", "") or _named(request.headers.get("user-agent", ""))


@remembered(256)
def _plain(agent: str, patch: bool) -> WriteOptions:
    return WriteOptions(manager=_named(agent), patch=patch)


def _named(agent: str) -> str:
    """What a client is called that names no manager: as its program."""
    return agent.partition("/")[0][:MAX_MANAGER] or "unknown"


def delete_options(request: Request, registry: Registry) -> DeleteOptions:
    """Of a delete. What the body says goes before the query."""
    given = bodies.read(request, registry) if request.body else {}
    _check_delete_types(given)
    int64(request, "gracePeriodSeconds")
    conditions = given.get("preconditions") or {}
    propagation = given.get("propagationPolicy")
    if propagation is None:
        propagation = request.query.get("propagationPolicy")
    orphans = given.get("orphanDependents")
    if orphans is None and "orphanDependents" in request.query:
        orphans = flag(request, "orphanDependents")
    dry = given.get("dryRun") or ([request.query["dryRun"]] if "dryRun" in request.query else [])
    causes = [*_propagation_causes(propagation, orphans), *_dry_run_causes(dry)]
    if causes:
        raise errors.invalid("meta.k8s.io", "DeleteOptions", "", tuple(causes))
    if orphans is not None:
        propagation = "Orphan" if orphans else "Background"
    uid, version = (conditions.get(field) or "" for field in ("uid", "resourceVersion"))
    return DeleteOptions(uid, version, propagation or "", bool(dry))


def _check_delete_types(given: dict[str, Any]) -> None:
    """Raises StatusError 400: what can't be read must not be taken for what is not said."""
    kind, version = given.get("kind") or "DeleteOptions", given.get("apiVersion") or "v1"
    if kind != "DeleteOptions":
        raise errors.bad_request(f"kind: {kind!r} is not DeleteOptions", "kind")
    if not isinstance(version, str):
        raise errors.bad_request(f"apiVersion: {version!r} is not a string", "apiVersion")
    for field, fits, what in _DELETE_TYPES:
        if given.get(field) is not None and not fits(given[field]):
            raise errors.bad_request(f"{field}: must be {what}", field)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in _INT64


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_conditions(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(value.get(field) or "", str) for field in ("uid", "resourceVersion")
    )


_INT64 = range(-(2**63), 2**63)
_DELETE_TYPES: tuple[tuple[str, Callable[[object], bool], str], ...] = (
    ("gracePeriodSeconds", _is_whole, "a whole number"),
    ("preconditions", _is_conditions, "an object with uid and resourceVersion"),
    ("orphanDependents", lambda value: isinstance(value, bool), "true or false"),
    ("propagationPolicy", lambda value: isinstance(value, str), f"one of {', '.join(PROPAGATIONS)}"),
    ("dryRun", _is_texts, 'a list, such as ["All"]'),
)


def _propagation_causes(propagation: str | None, orphans: bool | None) -> Iterator[Cause]:
    if propagation and orphans is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        yield Cause("FieldValueInvalid", f"Invalid value: {_quoted(propagation)}: {why}", "propagationPolicy")
    elif propagation is not None and propagation not in PROPAGATIONS:
        yield _unsupported("propagationPolicy", _quoted(propagation), (*PROPAGATIONS, "nil"))


def flag(request: Request, name: str) -> bool:
    """A boolean parameter, false when it is absent: what is not said to be false is true.

    https://github.com/kubernetes/apimachinery/blob/release-1.32/pkg/runtime/conversion.go
    """
    return name in request.query and request.query[name].lower() not in ("false", "0")


def limit(request: Request, name: str, most: int) -> int:
    """A bound, at most `most`; 0 means no bound, and so does a number below 0."""
    return min(max(int64(request, name), 0), most)


def int64(request: Request, name: str) -> int:
    """A whole number that Go can hold, 0 when it is absent. Raises StatusError 400."""
    if name not in request.query:
        return 0
    text = request.query[name]
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits or not (digits.isascii() and digits.isdigit()):
        raise errors.bad_request(f"{name}: strconv.ParseInt: parsing {_quoted(text)}: invalid syntax")
    if len(digits.lstrip("0")) > _MOST_DIGITS or int(text) not in _INT64:
        raise errors.bad_request(f"{name}: strconv.ParseInt: parsing {_quoted(text)}: value out of range")
    return int(text)


_MOST_DIGITS = 19


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
