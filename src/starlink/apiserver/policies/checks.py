"""What is refused of a ValidatingAdmissionPolicy and of a binding beyond their schemas. Pure.

Source: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/admissionregistration/validation/validation.go
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from starlink.api.errors import Cause
from starlink.apiserver.policies.program import Compiler
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.schema.formats import SUBDOMAIN_RULE, is_path_segment, is_subdomain
from starlink.apiserver.validation.metadata import PATH_RULE

MAX_ANNOTATIONS = 20
MAX_VALUE_EXPRESSION = 5 * 1024
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_RESERVED = frozenset(
    ("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import",
     "let", "loop", "package", "namespace", "return", "var", "void", "while")
)  # fmt: skip
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]")
_NEITHER = "validations or auditAnnotations must contain at least one item"
_TWICE = (
    "must not contain both Deny and Warn (repeating the same validation failure information in the API response and "
    "headers serves no purpose)"
)


def policy(obj: Obj, compiler: Compiler) -> tuple[Cause, ...]:
    """Why a policy is refused; what does not compile in the compiler's words."""
    spec = obj.get("spec") or {}
    causes = [*_policy(spec), *_named(spec, obj["metadata"]["name"])]
    if not causes:
        found = compiler.program(spec).expressions()
        causes = [_invalid(field, made.text, made.error) for field, made in found if made.error]
    return tuple(causes)


def binding(obj: Obj) -> tuple[Cause, ...]:
    """Why a binding is refused."""
    return tuple(_binding(obj.get("spec") or {}))


def _policy(spec: Obj) -> Iterator[Cause]:
    kind = spec.get("paramKind")
    if kind is not None:
        yield from _missing(kind, "spec.paramKind", ("apiVersion", "kind"))
    match = spec.get("matchConstraints")
    if match is None:
        yield _required("spec.matchConstraints")
    elif not match.get("resourceRules"):
        yield _required("spec.matchConstraints.resourceRules")
    yield from _match(match or {}, "spec.matchConstraints")
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        yield _required("spec.validations", _NEITHER)
        yield _required("spec.auditAnnotations", _NEITHER)
    for index, validation in enumerate(spec.get("validations") or ()):
        yield from _validation(validation, f"spec.validations[{index}]")


def _named(spec: Obj, policy_name: str) -> Iterator[Cause]:
    """Expressions that bear a name."""
    for index, condition in enumerate(spec.get("matchConditions") or ()):
        field = f"spec.matchConditions[{index}]"
        yield from _blank(condition["expression"], f"{field}.expression", "")
        yield from (
            _qualified(condition["name"], f"{field}.name") if condition["name"] else (_required(f"{field}.name"),)
        )
    for index, variable in enumerate(spec.get("variables") or ()):
        field = f"spec.variables[{index}]"
        yield from _blank(variable["expression"], f"{field}.expression")
        if not variable["name"].strip():
            yield _required(f"{field}.name", "name is not specified")
        elif not _IDENTIFIER.fullmatch(variable["name"]) or variable["name"] in _RESERVED:
            yield _invalid(f"{field}.name", variable["name"], "name is not a valid CEL identifier")
    yield from _annotations(spec.get("auditAnnotations") or (), policy_name)


def _annotations(annotations: Sequence[Obj], policy_name: str) -> Iterator[Cause]:
    if len(annotations) > MAX_ANNOTATIONS:
        why = f"must not have more than {MAX_ANNOTATIONS} auditAnnotations"
        yield _invalid("spec.auditAnnotations", [annotation["key"] for annotation in annotations], why)
    seen = set()
    for index, annotation in enumerate(annotations):
        field = f"spec.auditAnnotations[{index}]"
        yield from _annotation(annotation, field, policy_name)
        if annotation["key"] in seen:
            yield Cause("FieldValueDuplicate", f"Duplicate value: {_shown(annotation['key'])}", f"{field}.key")
        seen.add(annotation["key"])


def _annotation(annotation: Obj, field: str, policy_name: str) -> Iterator[Cause]:
    text = annotation["valueExpression"]
    yield from _qualified(f"{policy_name}/{annotation['key']}", f"{field}.key")
    if not text.strip():
        yield _required(f"{field}.valueExpression", "valueExpression is not specified")
    elif len(text) > MAX_VALUE_EXPRESSION:
        why = f"must not exceed {MAX_VALUE_EXPRESSION} bytes in length"
        yield _required(f"{field}.valueExpression", why)


def _validation(validation: Obj, field: str) -> Iterator[Cause]:
    message = validation.get("message") or ""
    yield from _blank(validation["expression"], f"{field}.expression")
    if validation.get("messageExpression") and not validation["messageExpression"].strip():
        yield _invalid(f"{field}.messageExpression", validation["messageExpression"], "must be non-empty if specified")
    if message and not message.strip():
        yield _invalid(f"{field}.message", message, "message must be non-empty if specified")
    elif "\n" in message.strip() or "\r" in message.strip():
        yield _invalid(f"{field}.message", message, "message must not contain line breaks")


def _match(match: Obj, field: str) -> Iterator[Cause]:
    for part in ("namespaceSelector", "objectSelector"):
        yield from _selector(match.get(part) or {}, f"{field}.{part}")
    for part in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(match.get(part) or ()):
            yield from _rule(rule, f"{field}.{part}[{index}]")


def _selector(selector: Obj, field: str) -> Iterator[Cause]:
    for index, term in enumerate(selector.get("matchExpressions") or ()):
        place = f"{field}.matchExpressions[{index}].values"
        if term["operator"] in ("In", "NotIn") and not term.get("values"):
            yield _required(place, "must be specified when `operator` is 'In' or 'NotIn'")
        elif term["operator"] in ("Exists", "DoesNotExist") and term.get("values"):
            why = "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield Cause("FieldValueForbidden", why, place)


def _rule(rule: Obj, field: str) -> Iterator[Cause]:
    words = {"apiGroups": "API groups", "apiVersions": "API versions", "operations": "operations"}
    yield from _missing(rule, field, ("operations", "apiGroups", "apiVersions", "resources"))
    for part, word in words.items():
        values = rule.get(part) or ()
        if len(values) > 1 and "*" in values:
            yield _invalid(f"{field}.{part}", values, f"if '*' is present, must not specify other {word}")
    yield from _resources(rule.get("resources") or (), f"{field}.resources")


def _resources(resources: Sequence[str], field: str) -> Iterator[Cause]:
    if "*/*" in resources and len(resources) > 1:
        yield _invalid(field, resources, "if '*/*' is present, must not specify other resources")
    if "*" in resources and any("/" not in other for other in resources if other != "*"):
        why = "if '*' is present, must not specify other resources without subresources"
        yield _invalid(field, resources, why)
    for index, resource in enumerate(resources):
        name, slash, sub = resource.partition("/")
        for wide in (f"{name}/*", f"*/{sub}"):
            if slash and wide != resource and wide in resources:
                why = f"if '{wide}' is present, must not specify {resource}"
                yield _invalid(f"{field}[{index}]", resource, why)
        if not resource:
            yield _required(f"{field}[{index}]")


def _binding(spec: Obj) -> Iterator[Cause]:
    name = spec.get("policyName")
    if not name:
        yield _required("spec.policyName")
    elif not is_subdomain(name):
        yield _invalid("spec.policyName", name, SUBDOMAIN_RULE)
    ref = spec.get("paramRef")
    if ref is not None:
        yield from _param_ref(ref)
    yield from _match(spec.get("matchResources") or {}, "spec.matchResources")
    actions = spec.get("validationActions")
    if not actions:
        yield _required("spec.validationActions", "at least one validation action is required")
    elif {"Deny", "Warn"} <= set(actions):
        yield _invalid("spec.validationActions", actions, _TWICE)


def _param_ref(ref: Obj) -> Iterator[Cause]:
    named, selected = ref.get("name") or "", ref.get("selector") is not None
    if named and not is_path_segment(named):
        yield _invalid("spec.paramRef.name", named, PATH_RULE)
    if named and selected:
        for field in ("name", "selector"):
            why = "Forbidden: name and selector are mutually exclusive"
            yield Cause("FieldValueForbidden", why, f"spec.paramRef.{field}")
    elif not named and not selected:
        yield _required("spec.paramRef", "one of name or selector must be specified")
    yield from _selector(ref.get("selector") or {}, "spec.paramRef.selector")
    yield from _missing(ref, "spec.paramRef", ("parameterNotFoundAction",))


def _qualified(name: str, field: str) -> Iterator[Cause]:
    prefix, slash, last = name.rpartition("/")
    if not _QUALIFIED.fullmatch(last) or (slash and not is_subdomain(prefix)):
        why = (
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc')"
        )
        yield _invalid(field, name, why)


def _blank(text: str, field: str, why: str = "expression is not specified") -> Iterator[Cause]:
    if not text.strip():
        yield _required(field, why)


def _missing(obj: Mapping[str, Any], field: str, names: tuple[str, ...]) -> Iterator[Cause]:
    for name in names:
        if not obj.get(name):
            yield _required(f"{field}.{name}")


def _required(field: str, why: str = "") -> Cause:
    return Cause("FieldValueRequired", f"Required value: {why}" if why else "Required value", field)


def _invalid(field: str, value: Any, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {_shown(value)}: {why}", field)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
