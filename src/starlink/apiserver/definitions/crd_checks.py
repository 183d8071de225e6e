"""Whether a CustomResourceDefinition may be written. Pure.

https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apis/apiextensions/validation/validation.go
"""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import replace
from typing import Any

from starlink.api.errors import Cause
from starlink.apiserver import cel, memo
from starlink.apiserver.cel import field_path
from starlink.apiserver.cel.formats import label_1035, subdomain
from starlink.apiserver.definitions import stored, structural
from starlink.apiserver.definitions.shipped import is_shipped
from starlink.apiserver.memo import Memo
from starlink.apiserver.schema import causes

Obj = dict[str, Any]
_MOST_SELECTABLE = 8
_LONGEST_WARNING = 256


def validate(crd: Obj, old: Obj | None = None) -> list[Cause]:
    """Why the CRD, which fits the schema of its kind, is refused. The rules of schemas that are those of `old` may cost
    what they like: they were accepted once, maybe before costs were estimated."""
    before = {version["name"]: version.get("schema") for version in old["spec"]["versions"]} if old is not None else {}
    return list(dict.fromkeys([*_check_name(crd), *_check_spec(crd["spec"], before)]))


def validate_change(crd: Obj, old: Obj) -> list[Cause]:
    """Why a CRD may not become this, whatever else is right: what is stored must stay readable."""
    spec, before = crd["spec"], old["spec"]
    fixed = [(spec, before, "spec", "group"), (spec["names"], before["names"], "spec.names", "plural")]
    if _is_established(old):
        fixed += [(spec, before, "spec", "scope"), (spec["names"], before["names"], "spec.names", "kind")]
    found = [
        causes.invalid(f"{path}.{field}", now[field], "field is immutable")
        for now, then, path, field in fixed
        if now[field] != then[field]
    ]
    names = {version["name"] for version in spec["versions"]}
    stored = (crd.get("status") or {}).get("storedVersions") or ()
    return found + [_still_stored(index, name) for index, name in enumerate(stored) if name not in names]


def _is_established(crd: Obj) -> bool:
    conditions = (crd.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Established" and one.get("status") == "True" for one in conditions)


def _still_stored(index: int, name: str) -> Cause:
    why = (
        f"must appear in spec.versions: {name} was previously a storage version, and must remain in spec.versions "
        f"until a storage migration ensures no data remains persisted in {name} and removes {name} from "
        "status.storedVersions"
    )
    return causes.invalid(f"status.storedVersions[{index}]", name, why)


def _check_name(crd: Obj) -> Iterator[Cause]:
    name = crd["metadata"].get("name")
    if name != f"{crd['spec']['names']['plural']}.{crd['spec']['group']}":
        yield causes.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')


def _check_spec(spec: Obj, before: Mapping[str, Any]) -> Iterator[Cause]:
    group, versions = spec["group"], spec["versions"]
    if not group:
        yield causes.required("spec.group")
    elif wrong := subdomain(group):
        yield causes.invalid("spec.group", group, ",".join(wrong))
    elif "." not in group:
        yield causes.invalid("spec.group", group, "should be a domain with at least one dot")
    shared = {part for part in _SHARED if all(version.get(part) == versions[0].get(part) for version in versions)}
    for index, version in enumerate(versions):
        is_new = version["name"] not in before or before[version["name"]] != version.get("schema")
        yield from _check_version(version, f"spec.versions[{index}]", shared, costs=is_new)
    names = [version["name"] for version in versions]
    if len(set(names)) < len(names):
        yield causes.invalid("spec.versions", versions, "must contain unique version names")
    if sum(version["storage"] for version in versions) != 1:
        yield causes.invalid("spec.versions", versions, "must have exactly one version marked as storage version")
    yield from _check_names(spec["names"], "spec.names")


def _check_names(names: Obj, path: str) -> Iterator[Cause]:
    for field in ("plural", "kind"):
        if not names[field]:
            yield causes.required(f"{path}.{field}")
    for field in ("plural", "singular"):
        yield from _check_label(names.get(field), f"{path}.{field}")
    for field in ("kind", "listKind"):
        yield from _check_kind(names.get(field), f"{path}.{field}")
    if names["kind"] and names["kind"] == names.get("listKind"):
        yield causes.invalid(f"{path}.listKind", names["kind"], "kind and listKind may not be the same")
    for field in ("shortNames", "categories"):
        for index, name in enumerate(names.get(field) or ()):
            yield from _check_label(name, f"{path}.{field}[{index}]", empty=False)


def _check_label(name: str | None, path: str, *, empty: bool = True) -> Iterator[Cause]:
    wrong = [] if empty and not name else label_1035(name or "")
    if wrong:
        yield causes.invalid(path, name, ",".join(wrong))


def _check_kind(kind: str | None, path: str) -> Iterator[Cause]:
    wrong = label_1035(kind.lower()) if kind else []
    if wrong:
        why = f"may have mixed case, but should otherwise match: {','.join(wrong)}"
        yield causes.invalid(path, kind, why)


_SHARED = {
    "schema": "validation",
    "selectableFields": "selectableFields",
    "additionalPrinterColumns": "additionalPrinterColumns",
}
"""Parts that are told as the CRD's where they are the same in all its versions, and where they are told then.

https://github.com/kubernetes/apiextensions-apiserver/blob/release-1.32/pkg/apis/apiextensions/v1/conversion.go
"""


def _check_version(version: Obj, path: str, shared: Set[str], *, costs: bool) -> Iterator[Cause]:
    yield from _check_label(version["name"], f"{path}.name", empty=False)
    for why in _wrong_warning(version):
        yield causes.invalid(f"{path}.deprecationWarning", version["deprecationWarning"], why)
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    at = {part: f"spec.{_SHARED[part]}" if part in shared else f"{path}.{part}" for part in _SHARED}
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        if not column["jsonPath"].startswith("."):
            here = f"{at['additionalPrinterColumns']}[{index}].JSONPath"
            yield causes.invalid(here, column["jsonPath"], "must be a simple json path starting with .")
    if schema is None:
        yield causes.required(f"{path}.schema.openAPIV3Schema", "schemas are required")
        return
    status = (version.get("subresources") or {}).get("status") is not None
    found = schema_causes(schema, f"{at['schema']}.openAPIV3Schema", status=status, costs=costs)
    yield from found
    if not found:
        fields = [field.get("jsonPath") or "" for field in version.get("selectableFields") or ()]
        yield from _check_selectable(fields, schema, at["selectableFields"])


def _wrong_warning(version: Obj) -> Iterator[str]:
    warning = version.get("deprecationWarning")
    if warning is None:
        return
    if not version.get("deprecated"):
        yield "can only be set for deprecated versions"
        return
    if len(warning.encode()) > _LONGEST_WARNING:
        yield f"must be <= {_LONGEST_WARNING} characters long"
    if not warning:
        yield "must not be an empty string"
    hidden = next((index for index, letter in enumerate(warning) if not letter.isprintable()), None)
    if hidden is not None:
        where = len(warning[:hidden].encode())
        yield f"must only contain printable UTF-8 characters; non-printable character found at index {where}"


def _check_selectable(fields: Iterable[str], schema: Obj, path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, field in enumerate(fields):
        here = f"{path}[{index}].jsonPath"
        if not field:
            yield causes.required(here)
            continue
        try:
            shown, found = field_path.resolve(field, schema, arrays=False)
        except ValueError as error:
            yield causes.invalid(here, field, f"is an invalid path: {error}")
            continue
        if shown.partition(".")[0] == "metadata":
            yield causes.invalid(here, field, "must not point to fields in metadata")
        if found.get("type") not in ("string", "boolean", "integer"):
            why = "must point to a field of type string, boolean or integer. "
            yield causes.invalid(here, field, why + "Enum string fields and strings with formats are allowed.")
        if shown in seen:
            yield causes.duplicate(here, field)
        seen.add(shown)
    if len(seen) > _MOST_SELECTABLE:
        yield causes.too_many(path, len(seen), _MOST_SELECTABLE)


def schema_causes(schema: Any, path: str, *, status: bool, costs: bool = True) -> list[Cause]:
    """Why the schema of a version is refused; the same schema is looked at once."""
    digest = stored.digest_of(schema)
    if status and is_shipped(digest):
        return []
    key = digest, status, costs
    found = _known.get(key)
    if found is None:
        found = _schema_causes(schema, status=status, costs=costs)
        _known.keep(key, found, memo.length(cause.message for cause in found))
    return [replace(cause, field=path + cause.field, message=cause.message.replace(_HERE, path)) for cause in found]


_HERE = "\0"
"""Stands for the path of the schema in what is remembered of it."""


_known: Memo[tuple[bytes, bool, bool], tuple[Cause, ...]] = Memo(256, 256 * 1024)


def _schema_causes(schema: Any, *, status: bool, costs: bool) -> tuple[Cause, ...]:
    found = structural.check(schema, _HERE, status=status, costs=costs)
    if not found:
        try:
            stored.verify(schema)
        except (cel.BadRule, ValueError) as error:
            return (causes.invalid("", "", f"error building validator: {error}"),)
    return tuple(replace(cause, field=cause.field.removeprefix(_HERE)) for cause in found)
