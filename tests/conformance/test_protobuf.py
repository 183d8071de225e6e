"""Request bodies in protobuf, as kubectl and other clients in Go send built-in kinds.

The encoder below knows as much as the tests need: https://protobuf.dev/programming-guides/encoding/ and
https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding; field numbers are those of the
generated.proto files of k8s.io/api and k8s.io/apimachinery.
"""

import uuid
from typing import Any

import httpx
from tests.conformance.conftest import Answer, Crds, Http, Watching, configmap, configmaps, gone

MEDIA = "application/vnd.kubernetes.protobuf"
HEADERS = {"Content-Type": MEDIA, "Accept": "application/json"}


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, value: bytes | str | int | bool) -> bytes:
    """One field: a number, or anything that has a length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(int(value))
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def mapping(number: int, pairs: dict[str, str | bytes]) -> bytes:
    return b"".join(field(number, field(1, key) + field(2, value)) for key, value in pairs.items())


def metadata(name: str = "", namespace: str = "", labels: dict[str, str | bytes] | None = None) -> bytes:
    """An ObjectMeta as Go's encoder writes it, with its empty fields."""
    empty = field(4, "") + field(5, "") + field(6, "") + field(7, 0) + field(8, b"")
    return field(1, name) + field(2, "") + field(3, namespace) + empty + mapping(11, labels or {})


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    """The magic number and a runtime.Unknown."""
    type_meta = field(1, api_version) + field(2, kind)
    return b"k8s\0" + field(1, type_meta) + field(2, raw) + field(3, "") + field(4, "")


def send(http: Http, method: str, path: str, body: bytes, **query: Any) -> Answer:
    return http.request(method, path, body, headers=HEADERS, query=query)


def test_namespace(http: Http) -> None:
    name = f"conformance-{uuid.uuid4().hex[:8]}"
    raw = field(1, metadata(name, labels={"app": "x"})) + field(2, b"") + field(3, field(1, ""))
    made = send(http, "POST", "/api/v1/namespaces", envelope("v1", "Namespace", raw)).expect(201)
    assert (made["kind"], made["metadata"]["name"]) == ("Namespace", name)
    assert made["metadata"]["labels"]["app"] == "x"
    assert made["status"]["phase"] == "Active"
    http.delete(f"/api/v1/namespaces/{name}").expect(200)


def test_config_map(http: Http, namespace: str) -> None:
    raw = field(1, metadata("a")) + mapping(2, {"k": "v", "ü": ""}) + mapping(3, {"raw": b"\0\1"}) + field(4, True)
    refused = send(http, "POST", configmaps(namespace), envelope("v1", "ConfigMap", raw)).fails(422, "Invalid")
    assert "ü" in refused["message"]
    raw = field(1, metadata("a")) + mapping(2, {"k": "v", "empty": ""}) + mapping(3, {"raw": b"\0\1"}) + field(4, True)
    made = send(http, "POST", configmaps(namespace), envelope("v1", "ConfigMap", raw)).expect(201)
    assert (made["data"], made["binaryData"]) == ({"k": "v", "empty": ""}, {"raw": "AAE="})
    assert made["immutable"] is True
    assert http.get(configmaps(namespace, "a")).expect(200) == made


def test_update(http: Http, namespace: str) -> None:
    http.post(configmaps(namespace), configmap("a", {"k": "v"})).expect(201)
    raw = field(1, metadata("a", namespace)) + mapping(2, {"k": "w"})
    path = configmaps(namespace, "a")
    assert send(http, "PUT", path, envelope("v1", "ConfigMap", raw)).expect(200)["data"] == {"k": "w"}


def test_secret(http: Http, namespace: str) -> None:
    """As helm keeps its releases."""
    raw = field(1, metadata("a")) + mapping(2, {"release": b"\xff\0"}) + field(3, "helm.sh/release.v1")
    made = send(http, "POST", f"/api/v1/namespaces/{namespace}/secrets", envelope("v1", "Secret", raw)).expect(201)
    assert (made["type"], made["data"]) == ("helm.sh/release.v1", {"release": "/wA="})


def test_generate_name_and_dry_run(http: Http, namespace: str) -> None:
    raw = field(1, field(1, "") + field(2, "a-"))
    body = envelope("v1", "ConfigMap", raw)
    made = send(http, "POST", configmaps(namespace), body, dryRun="All").expect(201)
    assert made["metadata"]["name"].startswith("a-")
    assert gone(http, configmaps(namespace, made["metadata"]["name"]))


def test_access_review(http: Http, namespace: str) -> None:
    attributes = field(1, namespace) + field(2, "list") + field(3, "") + field(4, "v1") + field(5, "configmaps")
    raw = field(1, metadata()) + field(2, field(1, attributes)) + field(3, field(1, False))
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    made = send(http, "POST", path, envelope("authorization.k8s.io/v1", "SelfSubjectAccessReview", raw)).expect(201)
    assert made["status"]["allowed"] is True
    assert made["spec"]["resourceAttributes"]["resource"] == "configmaps"


def test_delete_options(http: Http, namespace: str) -> None:
    made = http.post(configmaps(namespace), configmap("a")).expect(201)
    path = configmaps(namespace, "a")
    stale = field(2, field(1, str(uuid.uuid4())))
    send(http, "DELETE", path, envelope("v1", "DeleteOptions", stale)).fails(409, "Conflict")
    raw = field(1, 0) + field(2, field(1, made["metadata"]["uid"])) + field(4, "Background")
    assert send(http, "DELETE", path, envelope("v1", "DeleteOptions", raw)).expect(200)["status"] == "Success"
    assert gone(http, path)


def test_malformed(http: Http, namespace: str) -> None:
    raw = field(1, metadata("a"))
    for body in (b"k8s\0\xff", b"no", envelope("v1", "ConfigMap", raw[:-4])):
        send(http, "POST", configmaps(namespace), body).fails(400, "BadRequest")


def test_custom_kinds_have_no_protobuf(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd()
    body = envelope(widgets.api_version, widgets.kind, field(1, metadata("a")))
    try:
        refused = send(http, "POST", widgets.path(namespace), body).fails(415, "UnsupportedMediaType")
        assert "application/json, application/yaml" in refused["message"]
    except httpx.RemoteProtocolError:
        pass  # the real server closes the connection
    assert http.get(widgets.path(namespace, "a")).status == 404


def test_clients_that_prefer_protobuf_understand_the_answer(http: Http, namespace: str, watch: Watching) -> None:
    answer = http.get(configmaps(namespace), accept=f"{MEDIA},application/json")
    assert answer.status == 200
    media = answer.headers["content-type"]
    assert media in (MEDIA, "application/json")
    assert media != MEDIA or answer.body.startswith(b"k8s\0")
