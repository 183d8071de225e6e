"""Requests that grow: a case a way in which what a client sends can be large. Pure: a size gives a request.

`bench.growth` prints what they cost, and `tests/attack/test_growth.py` finds those that cost more than n·log n.
"""

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from bench.core import ADMIN
from starlink.apiserver.message import Request, User

Obj = dict[str, Any]

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
SECRETS = "/api/v1/namespaces/default/secrets"
SERVICE_ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
REVISIONS = "/apis/apps/v1/namespaces/default/controllerrevisions"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
TASKS = "/apis/starlink.dev/v1alpha1/namespaces/default/tasks"
WIDGETS = "/apis/growth.example.com/v1/namespaces/default/widgets"
ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
REVIEWS = "/apis/authorization.k8s.io/v1"
WRITER = User("writer", ("system:authenticated",))


@dataclass(frozen=True, slots=True)
class Case:
    """One way to be large. `request` gives the request of a size and `before` what is sent ahead of it, which is not
    measured; `size` is the smaller of the two sizes that are compared."""

    name: str
    request: Callable[[int], Request]
    size: int
    before: Callable[[int], Sequence[Request]] = lambda _n: ()


def send(
    method: str, path: str, body: Any = b"", media: str = JSON, *, user: User = ADMIN, accept: str = "", **query: str
) -> Request:
    """A request; a body that is no bytes is written as JSON."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    headers = {"content-type": media} | ({"accept": accept} if accept else {})
    return Request(method, path, query, headers, content, user)


def named(kind: str, api_version: str = "v1", name: str = "x", **parts: Any) -> Obj:
    """An object."""
    meta = {"name": name, **parts.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **parts}


def words(n: int, prefix: str = "k") -> list[str]:
    return [f"{prefix}{i}" for i in range(n)]


def pairs(n: int) -> dict[str, str]:
    return {f"k{i}": "v" for i in range(n)}


def widget(**spec: Any) -> Obj:
    return named("Widget", "growth.example.com/v1", spec=spec)


DEFINITION: Obj = named(
    "CustomResourceDefinition",
    "apiextensions.k8s.io/v1",
    "widgets.growth.example.com",
    spec={
        "group": "growth.example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": None}}],
    },
)
"""The kind that the cases use: a set, a list map, a map of maps, formats, patterns, and rules over them."""

_TEXT = {"type": "string"}
_SPEC: Obj = {
    "set": {"type": "array", "items": _TEXT, "x-kubernetes-list-type": "set"},
    "parts": {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": _TEXT, "size": {"type": "integer", "enum": list(range(100))}},
            "x-kubernetes-validations": [{"rule": "self.name != 'bad'"}],
        },
    },
    "plain": {"type": "array", "items": {"type": "integer"}},
    "lists": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
    "map": {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": {"type": "integer"}}},
    "numbers": {"type": "object", "additionalProperties": {"type": "integer"}},
    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "both": {"type": "object", "properties": {"a": {"type": "array", "items": _TEXT}, "b": {"type": "array", "items": _TEXT}},
             "x-kubernetes-validations": [{"rule": "!has(self.a) || self.a.all(x, x in self.b)"}]},
    "duration": {"type": "string", "format": "duration"},
    "hostname": {"type": "string", "format": "hostname"},
    "email": {"type": "string", "format": "email"},
    "uri": {"type": "string", "format": "uri"},
    "pattern": {"type": "string", "pattern": "^(a+)+$"},
    "either": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "integer"}, "b": _TEXT},
               "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}},
}  # fmt: skip


def schema(**spec: Obj) -> Obj:
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}


def definition(openapi: Obj, **version: Any) -> Obj:
    """The CRD with that schema."""
    made: Obj = msgspec.to_builtins(DEFINITION)
    made["spec"]["versions"][0] |= {"schema": {"openAPIV3Schema": openapi}, **version}
    return made


def setup() -> Iterator[Request]:
    """What all cases need, sent once."""
    columns = [{"name": "Size", "type": "string", "jsonPath": '.spec.parts[?(@.name=="k1")].size'}]
    yield send("POST", CRDS, definition(schema(**_SPEC), additionalPrinterColumns=columns))
    rules = [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["create"]}]
    rules += [{"apiGroups": [f"g{i}"], "resources": ["x"], "verbs": ["get"]} for i in range(50)]
    yield send("POST", ROLES, named("Role", "rbac.authorization.k8s.io/v1", "writer", rules=rules))
    yield send(
        "POST",
        ROLES.replace("roles", "rolebindings"),
        named(
            "RoleBinding", "rbac.authorization.k8s.io/v1", "writer",
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "writer"},
            subjects=[{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "writer"}],
        ),
    )  # fmt: skip


def created(path: str, obj: Callable[[int], Obj]) -> Callable[[int], Sequence[Request]]:
    """Makes an object of a size ahead of the request, in place of an earlier one."""
    return lambda n: (*gone(path), send("POST", path, obj(n)))


def gone(path: str) -> tuple[Request, ...]:
    """Takes an earlier object away, whatever holds it."""
    return (
        send("DELETE", f"{path}/x"),
        send("PATCH", f"{path}/x", {"metadata": {"finalizers": None}}, MERGE),
    )


def creation(name: str, path: str, obj: Callable[[int], Any], size: int, media: str = JSON, **options: Any) -> Case:
    return Case(name, lambda n: send("POST", path, obj(n), media, **options), size, lambda _n: gone(path))


def patching(
    name: str, path: str, old: Callable[[int], Obj], patch: Callable[[int], Any], media: str, size: int, **query: str
) -> Case:
    return Case(name, lambda n: send("PATCH", f"{path}/x", patch(n), media, **query), size, created(path, old))


def owners(n: int, **more: Any) -> list[Obj]:
    return [{"apiVersion": "v1", "kind": "K", "name": f"k{i}", "uid": f"u{i}", **more} for i in range(n)]


def managers(n: int, path: Callable[[int], str] = lambda i: f"f:k{i}") -> list[Obj]:
    """managedFields of many managers, a field each."""
    return [
        {"manager": f"m{i}", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
         "fieldsV1": {"f:data": {path(i): {}}}}
        for i in range(n)
    ]  # fmt: skip


def config_map(n: int) -> Obj:
    return named("ConfigMap", data=pairs(n))


def empty_map(_n: int) -> Obj:
    return named("ConfigMap")


def owned_map(n: int) -> Obj:
    return named("ConfigMap", metadata={"ownerReferences": owners(n)})


def parts(n: int, start: int = 0) -> list[Obj]:
    return [{"name": f"k{i}", "size": i % 100} for i in range(start, start + n)]


def account(n: int) -> Obj:
    return named("ServiceAccount", secrets=[{"name": f"k{i}"} for i in range(n)])


def held(n: int) -> Obj:
    return named("ConfigMap", metadata={"finalizers": [f"example.com/k{i}" for i in range(n)]})


def _free(n: int) -> Obj:
    return widget(free={"list": list(range(n))})


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def field(number: int, value: bytes) -> bytes:
    """One field of a protobuf message."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def protobuf(kind: str, raw: bytes) -> bytes:
    """An envelope of Kubernetes."""
    return b"k8s\0" + field(1, field(1, b"v1") + field(2, kind.encode())) + field(2, raw)


def protobuf_map(n: int) -> bytes:
    data = b"".join(field(2, field(1, word.encode()) + field(2, b"v")) for word in words(n))
    return protobuf("ConfigMap", field(1, field(1, b"x")) + data)


def protobuf_owners(n: int) -> bytes:
    meta = b"".join(
        field(13, field(1, b"K") + field(3, b"k%d" % i) + field(4, b"u%d" % i) + field(5, b"v1")) for i in range(n)
    )
    return protobuf("ConfigMap", field(1, field(1, b"x") + meta))


def _nested(n: int, inner: Any = 1) -> Any:
    for _ in range(n):
        inner = {"a": inner}
    return inner


def _wide(depth: int, n: int) -> Obj:
    """An object `depth` deep whose fields all have long names."""
    return _nested_named("n" * n, depth, {f"f{i}": 1 for i in range(n)})


def _nested_named(name: str, depth: int, inner: Any) -> Any:
    for _ in range(depth):
        inner = {name: inner}
    return inner


def _crd(openapi: Callable[[int], Obj], **version: Any) -> Callable[[int], Obj]:
    return lambda n: definition(openapi(n), **version)


def _defining(name: str, openapi: Callable[[int], Obj], size: int, **version: Any) -> Case:
    """A new schema for the kind, tried only."""
    return Case(
        name,
        lambda n: send(
            "PATCH",
            f"{CRDS}/{DEFINITION['metadata']['name']}",
            {"spec": _crd(openapi, **version)(n)["spec"]},
            MERGE,
            dryRun="All",
        ),
        size,
    )


def _review(kind: str, spec: Callable[[int], Any], plural: str) -> Callable[[int], Request]:
    return lambda n: send(
        "POST", f"{REVIEWS}/{plural}", {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec(n)}
    )


def _asked(n: int, **more: Any) -> Obj:
    return {"user": "u", "resourceAttributes": {"resource": "pods", "verb": "get", "namespace": "default", **more}}


CASES: tuple[Case, ...] = (
    creation("create: a map of n keys", CONFIG_MAPS, config_map, 4_000),
    creation("create: n bytes in one value", CONFIG_MAPS, lambda n: named("ConfigMap", data={"k": "v" * n}), 100_000),
    creation("create: n keys that are none", CONFIG_MAPS, lambda n: named("ConfigMap", data={f"k {i}": "v" for i in range(n)}), 2_000),
    creation("create: n values of a wrong type", CONFIG_MAPS, lambda n: named("ConfigMap", data={f"k{i}": 1 for i in range(n)}), 2_000),
    creation("create: n keys of a Secret", SECRETS, lambda n: named("Secret", stringData=pairs(n)), 4_000),
    creation("create: n keys of a Secret that are no base64", SECRETS, lambda n: named("Secret", data={f"k{i}": "%" for i in range(n)}), 4_000),
    creation("create: n bytes of base64", SECRETS, lambda n: named("Secret", data={"k": base64.b64encode(b"x" * n).decode()}), 100_000),
    creation("create: n labels", CONFIG_MAPS, lambda n: named("ConfigMap", metadata={"labels": pairs(n)}), 4_000),
    creation("create: n bad labels", CONFIG_MAPS, lambda n: named("ConfigMap", metadata={"labels": {f"k{i} ": " " for i in range(n)}}), 2_000),
    creation("create: a label n long", CONFIG_MAPS, lambda n: named("ConfigMap", metadata={"labels": {"a" * n + "!": "a." * n + "!"}}), 100_000),
    creation("create: a name n long", CONFIG_MAPS, lambda n: named("ConfigMap", name="a-." * n + "!"), 100_000),
    creation("create: n annotations", CONFIG_MAPS, lambda n: named("ConfigMap", metadata={"annotations": pairs(n)}), 4_000),
    creation("create: n finalizers", CONFIG_MAPS, held, 4_000),
    creation("create: n bad finalizers", CONFIG_MAPS, lambda n: named("ConfigMap", metadata={"finalizers": words(n, "!")}), 2_000),
    creation("create: n owners", CONFIG_MAPS, owned_map, 2_000),
    creation("create: n controllers", CONFIG_MAPS, lambda n: named("ConfigMap", metadata={"ownerReferences": owners(n, controller=True)}), 300),
    creation("create: n owners that are none", CONFIG_MAPS, lambda n: named("ConfigMap", metadata={"ownerReferences": [{}] * n}), 1_000),
    creation("create: managedFields of n managers", CONFIG_MAPS, lambda n: named("ConfigMap", metadata={"managedFields": managers(n)}), 1_000),
    creation("create: n unknown fields", CONFIG_MAPS, lambda n: {**empty_map(n), **pairs(n)}, 4_000),
    creation("create: n unknown fields, strictly", CONFIG_MAPS, lambda n: {**empty_map(n), **pairs(n)}, 4_000, fieldValidation="Strict"),
    creation("create: n fields said twice", CONFIG_MAPS, lambda n: b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{%s}}' % b",".join(b'"k%d":"v","k%d":"v"' % (i, i) for i in range(n)), 3_000),
    creation("create: n fields said twice below a long name", REVISIONS, lambda n: b'{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{"name":"x"},"revision":1,"data":{"%s":{%s}}}' % (b"n" * n * 4, b",".join(b'"k%d":0,"k%d":0' % (i, i) for i in range(n))), 2_000),
    creation("create: n escapes below a long name", REVISIONS, lambda n: b'{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{"name":"x"},"revision":1,"data":{"%s":{"\\u0061":1,%s}}}' % (b"n" * n * 4, b",".join(b'"k%d":{}' % i for i in range(n))), 4_000),
    creation("create: nested n deep", CONFIG_MAPS, lambda n: {**empty_map(n), "data": _nested(n)}, 60),
    creation("create: n brackets", CONFIG_MAPS, lambda n: b"[" * n, 100_000),
    creation("create: a number of n digits", REVISIONS, lambda n: b'{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{"name":"x"},"revision":1,"data":%s}' % (b"1" * n), 100_000),
    creation("create: a fraction of n digits", REVISIONS, lambda n: b'{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{"name":"x"},"revision":1,"data":1.%s}' % (b"1" * n), 100_000),
    creation("create: n free values", REVISIONS, lambda n: named("ControllerRevision", "apps/v1", revision=1, data=list(range(n))), 20_000),
    creation("create: n endpoints", SLICES, lambda n: named("EndpointSlice", "discovery.k8s.io/v1", addressType="IPv4", endpoints=[{"addresses": [f"10.0.{i >> 8 & 255}.{i & 255}"]} for i in range(n)]), 1_000),
    creation("create: n environment variables", TASKS, lambda n: named("Task", "starlink.dev/v1alpha1", spec={"template": {"command": ["x"], "env": [{"name": f"K{i}", "value": "v"} for i in range(n)]}}), 1_000),
    creation("create: n arguments", TASKS, lambda n: named("Task", "starlink.dev/v1alpha1", spec={"template": {"command": words(n)}}), 4_000),
    creation("create: n resources", TASKS, lambda n: named("Task", "starlink.dev/v1alpha1", spec={"template": {"command": ["x"], "resources": {"requests": {f"k{i}": "1" for i in range(n)}}}}), 1_000),
    creation("YAML: n keys", CONFIG_MAPS, lambda n: b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n" + b"".join(b"  k%d: v\n" % i for i in range(n)), 2_000, YAML),
    creation("YAML: a flow list of n", CONFIG_MAPS, lambda n: b"[" + b"a," * n + b"a]", 4_000, YAML),
    creation("YAML: n documents", CONFIG_MAPS, lambda n: b"a: b\n---\n" * n, 1_000, YAML),
    creation("YAML: n tag directives", CONFIG_MAPS, lambda n: b"".join(b"%%TAG !a%d! b\n" % i for i in range(n)) + b"--- a\n", 4_000, YAML),
    creation("YAML: n anchors", CONFIG_MAPS, lambda n: b"[" + b"".join(b"&a%d b," % i for i in range(n)) + b"c]", 2_000, YAML),
    creation("YAML: n aliases", CONFIG_MAPS, lambda n: b"[&a b," + b"*a," * n + b"c]", 2_000, YAML),
    creation("YAML: n brackets", CONFIG_MAPS, lambda n: b"[" * n, 100_000, YAML),
    creation("YAML: n dashes", CONFIG_MAPS, lambda n: b"- " * n + b"a", 100_000, YAML),
    creation("YAML: n question marks", CONFIG_MAPS, lambda n: b"? " * n + b"a", 100_000, YAML),
    creation("YAML: n lines of a folded text", CONFIG_MAPS, lambda n: b"a: >\n" + b"  b\n\n" * n, 20_000, YAML),
    creation("YAML: n comments", CONFIG_MAPS, lambda n: b"#\n" * n + b"a: b", 100_000, YAML),
    creation("YAML: n escapes", CONFIG_MAPS, lambda n: b'"' + b"\\x41" * n + b'"', 50_000, YAML),
    creation("YAML: a number of n digits", CONFIG_MAPS, lambda n: b"a: " + b"1" * n, 100_000, YAML),
    creation("protobuf: n keys", CONFIG_MAPS, protobuf_map, 2_000, PROTOBUF),
    creation("protobuf: n owners", CONFIG_MAPS, protobuf_owners, 1_000, PROTOBUF),
    creation("protobuf: n bytes of nothing", CONFIG_MAPS, lambda n: b"k8s\0" + field(2, b"") * n, 20_000, PROTOBUF),
    Case("update: n keys change", lambda n: send("PUT", f"{CONFIG_MAPS}/x", named("ConfigMap", data={f"k{i}": "w" for i in range(n)})), 2_000, created(CONFIG_MAPS, config_map)),
    Case("update: n keys go and n come", lambda n: send("PUT", f"{CONFIG_MAPS}/x", named("ConfigMap", data={f"w{i}": "w" for i in range(n)})), 2_000, created(CONFIG_MAPS, config_map)),
    Case("update: managedFields of n managers", lambda n: send("PUT", f"{CONFIG_MAPS}/x", named("ConfigMap", metadata={"managedFields": managers(n)}, data={"k1": "w"})), 1_000, created(CONFIG_MAPS, lambda n: named("ConfigMap", data={"k1": "v"}))),
    Case("update: n finalizers of what goes", lambda n: send("PUT", f"{CONFIG_MAPS}/x", held(n)), 2_000, lambda n: (*created(CONFIG_MAPS, lambda _n: held(1))(n), send("DELETE", f"{CONFIG_MAPS}/x"))),
    patching("merge patch: n keys", CONFIG_MAPS, config_map, lambda n: {"data": {f"k{i}": "w" for i in range(n)}}, MERGE, 2_000),
    patching("merge patch: one key of n", CONFIG_MAPS, config_map, lambda _n: {"data": {"k1": "w"}}, MERGE, 4_000),
    patching("merge patch: n keys go", CONFIG_MAPS, config_map, lambda n: {"data": dict.fromkeys(words(n))}, MERGE, 2_000),
    patching("JSON patch: n operations", CONFIG_MAPS, empty_map, lambda n: [{"op": "add", "path": "/data", "value": {}}, *({"op": "add", "path": f"/data/k{i}", "value": "v"} for i in range(n))], JSON_PATCH, 1_000),
    patching("JSON patch: one operation on n keys", CONFIG_MAPS, config_map, lambda _n: [{"op": "add", "path": "/data/z", "value": "v"}], JSON_PATCH, 4_000),
    patching("JSON patch: n copies of a part of n", WIDGETS, _free, lambda n: [{"op": "copy", "from": "/spec/free/list", "path": f"/spec/free/l{i}"} for i in range(n)], JSON_PATCH, 200),
    patching("JSON patch: log n doublings", WIDGETS, lambda _n: widget(free={"a": {"b": "c"}}), lambda n: [{"op": "copy", "from": "/spec/free", "path": f"/spec/free/k{i}"} for i in range(n // 100)], JSON_PATCH, 200),
    patching("JSON patch: n tests of a part of n", WIDGETS, _free, lambda n: [{"op": "test", "path": "/spec/free/list/0", "value": 0}] * n, JSON_PATCH, 1_000),
    patching("JSON patch: n inserts before n", WIDGETS, _free, lambda n: [{"op": "add", "path": "/spec/free/list/0", "value": 0}] * min(n // 10, 10_000), JSON_PATCH, 10_000),
    patching("JSON patch: n moves before n", WIDGETS, _free, lambda n: [{"op": "move", "from": "/spec/free/list/0", "path": "/spec/free/list/0"}] * min(n // 10, 10_000), JSON_PATCH, 10_000),
    patching("strategic merge: n entries of a list by key", SERVICE_ACCOUNTS, account, lambda n: {"secrets": [{"name": f"k{i}"} for i in range(n)]}, STRATEGIC, 1_000),
    patching("strategic merge: n new entries of a list by key", SERVICE_ACCOUNTS, account, lambda n: {"secrets": [{"name": f"n{i}"} for i in range(n)]}, STRATEGIC, 1_000),
    patching("strategic merge: n entries go", SERVICE_ACCOUNTS, account, lambda n: {"secrets": [{"name": f"k{i}", "$patch": "delete"} for i in range(n)]}, STRATEGIC, 1_000),
    patching("strategic merge: n owners", CONFIG_MAPS, owned_map, lambda n: {"metadata": {"ownerReferences": owners(n)}}, STRATEGIC, 500),
    patching("strategic merge: n finalizers", CONFIG_MAPS, held, lambda n: {"metadata": {"finalizers": [f"example.com/n{i}" for i in range(n)]}}, STRATEGIC, 1_000),
    patching("strategic merge: n finalizers go", CONFIG_MAPS, held, lambda n: {"metadata": {"$deleteFromPrimitiveList/finalizers": [f"example.com/k{i}" for i in range(n)]}}, STRATEGIC, 1_000),
    patching("strategic merge: the order of n", SERVICE_ACCOUNTS, account, lambda n: {"$setElementOrder/secrets": [{"name": f"k{i}"} for i in reversed(range(n))]}, STRATEGIC, 1_000),
    patching("strategic merge: n keys are retained", CONFIG_MAPS, config_map, lambda n: {"data": {"$retainKeys": words(n)}}, STRATEGIC, 1_000),
    patching("apply: n new keys", CONFIG_MAPS, empty_map, config_map, APPLY, 2_000, fieldManager="m"),
    patching("apply: n keys that another owns", CONFIG_MAPS, config_map, lambda n: named("ConfigMap", data={f"k{i}": "w" for i in range(n)}), APPLY, 1_000, fieldManager="m"),
    patching("apply: n entries of a list map", WIDGETS, lambda n: widget(parts=parts(n)), lambda n: widget(parts=parts(n)[::-1]), APPLY, 1_000, fieldManager="m", force="true"),
    patching("apply: n entries come after n", WIDGETS, lambda n: widget(parts=parts(n)), lambda n: widget(parts=parts(n, n)), APPLY, 1_000, fieldManager="m", force="true"),
    patching("apply: n entries of a set", WIDGETS, lambda n: widget(set=words(n)), lambda n: widget(set=words(n)[::-1]), APPLY, 2_000, fieldManager="m", force="true"),
    patching("apply: a key beside n managers", CONFIG_MAPS, lambda n: named("ConfigMap", data=pairs(n)), lambda _n: named("ConfigMap", data={"k1": "w"}), APPLY, 1_000, fieldManager="m"),
    Case("apply: n keys of n managers", lambda n: send("PATCH", f"{CONFIG_MAPS}/x", named("ConfigMap", data={f"k{i}": "w" for i in range(n)}), APPLY, fieldManager="m"), 500, lambda n: (*created(CONFIG_MAPS, config_map)(n), send("PUT", f"{CONFIG_MAPS}/x", named("ConfigMap", metadata={"managedFields": managers(n)}, data=pairs(n))))),
    creation("list map: n entries", WIDGETS, lambda n: widget(parts=parts(n)), 1_000),
    creation("list map: n twins", WIDGETS, lambda n: widget(parts=parts(n) * 2), 1_000),
    creation("list map: n wrong entries", WIDGETS, lambda n: widget(parts=[{"name": f"k{i}", "size": -1} for i in range(n)]), 1_000),
    creation("list map: n entries that a rule refuses", WIDGETS, lambda n: widget(parts=[{"name": "bad"}] * n), 1_000),
    creation("set: n values", WIDGETS, lambda n: widget(set=words(n)), 4_000),
    creation("list: n numbers", WIDGETS, lambda n: widget(plain=list(range(n))), 10_000),
    creation("list: n wrong numbers", WIDGETS, lambda n: widget(plain=["x"] * n), 2_000),
    creation("list: n wrong numbers in a list of n", WIDGETS, lambda n: widget(plain=["x" * n] * 50), 2_000),
    creation("map: n wrong values below a long name", WIDGETS, lambda n: widget(map={"n" * n * 4: {f"f{i}": "x" for i in range(n)}}), 2_000),
    creation("map: n values below a long name", WIDGETS, lambda n: widget(map={"n" * n * 4: {f"f{i}": i for i in range(n)}}), 4_000),
    creation("map: n unknown fields below a long name", WIDGETS, lambda n: widget(map={"n" * n * 4: {f"f{i}": i for i in range(n)}}, other={f"f{i}": {} for i in range(n)}), 4_000),
    creation("junctors: n entries of none", WIDGETS, lambda n: widget(either=[{}] * n), 1_000),
    creation("rule: n values in a list of n", WIDGETS, lambda n: widget(both={"a": words(min(n, 9_000)), "b": words(n)[::-1]}), 1_000),
    creation("format: a duration n long", WIDGETS, lambda n: widget(duration="1" * n), 2_000),
    creation("format: a spoken duration n long", WIDGETS, lambda n: widget(duration="1 " * n), 2_000),
    creation("format: a hostname n long", WIDGETS, lambda n: widget(hostname="a." * n + "!"), 20_000),
    creation("format: an email n long", WIDGETS, lambda n: widget(email="a" * n + "<"), 20_000),
    creation("format: an URI n long", WIDGETS, lambda n: widget(uri="http://" + "a" * n + "["), 20_000),
    creation("pattern: a text n long", WIDGETS, lambda n: widget(pattern="a" * n + "b"), 100_000),
    Case("list: a label selector of n terms", lambda n: send("GET", CONFIG_MAPS, labelSelector=",".join(words(n, "!k"))), 2_000),
    Case("list: a label selector of n values", lambda n: send("GET", CONFIG_MAPS, labelSelector=f"a in ({','.join(words(n))})"), 4_000),
    Case("list: a label selector of n spaces", lambda n: send("GET", CONFIG_MAPS, labelSelector="a" + " " * n + "=b"), 1_000),
    Case("list: a label selector that ends with n spaces", lambda n: send("GET", CONFIG_MAPS, labelSelector="a=b" + " " * n), 1_000),
    Case("list: a label selector of a number of n digits", lambda n: send("GET", CONFIG_MAPS, labelSelector="a>" + "1" * n), 8_000),
    Case("list: a field selector of n terms", lambda n: send("GET", CONFIG_MAPS, fieldSelector=",".join(["metadata.name!=x"] * n)), 2_000),
    Case("list: a continue token of n bytes", lambda n: send("GET", CONFIG_MAPS, **{"continue": "A" * n}), 8_000),
    Case("list: n queries", lambda n: send("GET", CONFIG_MAPS, **pairs(n)), 2_000),
    Case("list: an Accept header of n clauses", lambda n: send("GET", CONFIG_MAPS, accept=",".join(["a/b;c=d"] * n)), 2_000),
    Case("get: a Table of n entries", lambda n: send("GET", f"{WIDGETS}/x", accept="application/json;as=Table;v=v1;g=meta.k8s.io"), 1_000, created(WIDGETS, lambda n: widget(parts=parts(n)))),
    Case("delete: n finalizers", lambda n: send("DELETE", f"{CONFIG_MAPS}/x", {"propagationPolicy": "Foreground"}), 2_000, created(CONFIG_MAPS, held)),
    Case("delete: options of n fields", lambda n: send("DELETE", f"{CONFIG_MAPS}/x", {**pairs(n), "kind": "DeleteOptions"}), 4_000),
    Case("deletecollection: n objects", lambda n: send("DELETE", CONFIG_MAPS), 50, lambda n: [send("POST", CONFIG_MAPS, named("ConfigMap", name=f"k{i}")) for i in range(n)]),
    Case("review: n groups", _review("SubjectAccessReview", lambda n: {**_asked(n), "groups": words(n)}, "subjectaccessreviews"), 4_000),
    Case("review: n extras", _review("SubjectAccessReview", lambda n: {**_asked(n), "extra": {word: ["a"] for word in words(n)}}, "subjectaccessreviews"), 4_000),
    Case("review: n field requirements", _review("SubjectAccessReview", lambda n: _asked(n, fieldSelector={"requirements": [{"key": "a", "operator": "In", "values": ["b"]}] * n}), "subjectaccessreviews"), 1_000),
    Case("review: a raw selector of n terms", _review("SubjectAccessReview", lambda n: _asked(n, fieldSelector={"rawSelector": "a=b," * n}), "subjectaccessreviews"), 4_000),
    Case("review: n audiences", lambda n: send("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "a.b.c", "audiences": words(n)}}), 4_000),
    Case("review: a token n long", lambda n: send("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "a." * n}}), 40_000),
    creation("role: n rules", ROLES, lambda n: named("Role", "rbac.authorization.k8s.io/v1", rules=[{"apiGroups": [f"g{i}"], "resources": ["x"], "verbs": ["get"]} for i in range(n)]), 500, user=WRITER),
    creation("role: n of each in one rule", ROLES, lambda n: named("Role", "rbac.authorization.k8s.io/v1", rules=[{"apiGroups": words(n), "resources": words(n), "verbs": words(n), "resourceNames": words(n)}]), 4, user=WRITER),
    creation("role: n rules with URLs", ROLES, lambda n: named("Role", "rbac.authorization.k8s.io/v1", rules=[{"nonResourceURLs": words(n, "/"), "verbs": ["get"]}]), 2_000),
    _defining("schema: n properties", lambda n: schema(**{f"k{i}": {"type": "string"} for i in range(n)}), 400),
    _defining("schema: n structures", lambda n: schema(**{f"k{i}": {"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}}}} for i in range(n)}), 50),
    _defining("schema: n rules", lambda n: schema(**{f"k{i}": {"type": "string", "maxLength": 9, "x-kubernetes-validations": [{"rule": f"self != 'a{i}'"}]} for i in range(n)}), 15),
    _defining("schema: rules n deep", lambda n: schema(a=_deep_rules(n)), 4),
    _defining("schema: a rule over n fields", lambda n: schema(a={"type": "object", "properties": {f"k{i}": {"type": "string"} for i in range(n)}, "x-kubernetes-validations": [{"rule": "self.k0 != 'a'"}]}), 200),
    _defining("schema: n options", lambda n: schema(a={"type": "string", "enum": words(n)}), 4_000),
    _defining("schema: n patterns", lambda n: schema(**{f"k{i}": {"type": "string", "pattern": f"^a{{{i}}}$"} for i in range(n)}), 20),
    _defining("schema: a pattern n long", lambda n: schema(a={"type": "string", "pattern": "(a|b)?" * n}), 100),
    _defining("schema: n required", lambda n: schema(a={"type": "object", "required": words(n), "properties": {"k0": {"type": "string"}}}), 2_000),
    _defining("schema: n wrong keywords", lambda n: schema(**{f"k{i}": {"type": "x"} for i in range(n)}), 200),
    _defining("schema: n wrong defaults", lambda n: schema(**{f"k{i}": {"type": "string", "default": 1} for i in range(n)}), 100),
    _defining("schema: n columns", lambda n: schema(a={"type": "string"}), 100, additionalPrinterColumns=[{"name": "a", "type": "string", "jsonPath": ".a"}] * 1_000),
)  # fmt: skip


def _deep_rules(n: int) -> Obj:
    inner: Obj = {"type": "string"}
    for _ in range(n):
        inner = {"type": "object", "properties": {"a": inner}, "x-kubernetes-validations": [{"rule": "has(self.a)"}]}
    return inner
