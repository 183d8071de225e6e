"""What the server asks of metadata, Secrets and ConfigMaps, in its words."""

import re
from typing import Any

from tests.conformance.conftest import Http, causes, configmap, configmaps

Obj = dict[str, Any]
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


def test_names(http: Http, namespace: str) -> None:
    refused = http.post(configmaps(namespace), configmap("Bad_Name")).fails(422, "Invalid")
    assert refused["message"].startswith('ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": ')
    assert refused["details"]["kind"] == "ConfigMap"
    assert causes(refused)["metadata.name"] == f'Invalid value: "Bad_Name": {SUBDOMAIN}'
    assert refused["details"]["causes"][0]["reason"] == "FieldValueInvalid"
    refused = http.post("/api/v1/namespaces", {"metadata": {"name": "A_B"}}).fails(422, "Invalid")
    assert causes(refused)["metadata.name"] == f'Invalid value: "A_B": {LABEL}'
    refused = http.post("/api/v1/namespaces", {"metadata": {"name": "a.b"}}).fails(422, "Invalid")
    assert causes(refused)["metadata.name"] == 'Invalid value: "a.b": must not contain dots'
    refused = http.post(configmaps(namespace), configmap("")).fails(422, "Invalid")
    assert causes(refused)["metadata.name"] == "Required value: name or generateName is required"
    refused = http.post(configmaps(namespace), configmap("a" * 254)).fails(422, "Invalid")
    assert "must be no more than 253 " in causes(refused)["metadata.name"]


def test_labels_and_annotations(http: Http, namespace: str) -> None:
    refused = http.post(configmaps(namespace), configmap("a", labels={"app": "not so"})).fails(422, "Invalid")
    words = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'"
    assert causes(refused)["metadata.labels"].startswith(f'Invalid value: "not so": {words}')
    refused = http.post(configmaps(namespace), configmap("a", labels={"a/b/c": "d"})).fails(422, "Invalid")
    words = r"must consist of alphanumeric characters, '-', '_' or '\.', and must start and end with an alphanumeric"
    assert re.match(
        rf'Invalid value: "a/b/c": a (qualified name|valid label key) {words}', causes(refused)["metadata.labels"]
    )
    refused = http.post(configmaps(namespace), configmap("a", annotations={"a": "x" * 300_000})).fails(422, "Invalid")
    assert causes(refused)["metadata.annotations"].startswith("Too long: ")


def test_owner_references(http: Http, namespace: str) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "", "uid": "u"}
    refused = http.post(configmaps(namespace), configmap("a", ownerReferences=[owner])).fails(422, "Invalid")
    assert causes(refused) == {"metadata.ownerReferences.name": 'Invalid value: "": name must not be empty'}
    owners = [{**owner, "name": name, "uid": name, "controller": True} for name in ("b", "c")]
    refused = http.post(configmaps(namespace), configmap("a", ownerReferences=owners)).fails(422, "Invalid")
    assert "Only one reference can have Controller set to true" in causes(refused)["metadata.ownerReferences"]


def test_secrets(http: Http, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/secrets"
    made = http.post(path, {"metadata": {"name": "a"}, "stringData": {"k": "v"}, "data": {"l": "dw=="}}).expect(201)
    assert (made["type"], made["data"]) == ("Opaque", {"k": "dg==", "l": "dw=="})
    assert "stringData" not in made
    refused = http.patch(f"{path}/a", {"type": "example.com/other"}).fails(422, "Invalid")
    assert causes(refused)["type"] == 'Invalid value: "example.com/other": field is immutable'
    refused = http.post(path, {"metadata": {"name": "b"}, "data": {"not so": ""}}).fails(422, "Invalid")
    assert causes(refused)["data[not so]"].startswith('Invalid value: "not so": a valid config key must consist of ')
    http.post(path, {"metadata": {"name": "b"}, "data": {"k": "%"}}).fails(400, "BadRequest")


def test_immutable_config_maps(http: Http, namespace: str) -> None:
    http.post(configmaps(namespace), {**configmap("a", {"k": "v"}), "immutable": True}).expect(201)
    refused = http.patch(configmaps(namespace, "a"), {"data": {"k": "w"}}).fails(422, "Invalid")
    assert causes(refused)["data"] == "Forbidden: field is immutable when `immutable` is set"
    refused = http.patch(configmaps(namespace, "a"), {"immutable": False}).fails(422, "Invalid")
    assert causes(refused)["immutable"] == "Forbidden: field is immutable when `immutable` is set"
    http.patch(configmaps(namespace, "a"), {"metadata": {"labels": {"a": "b"}}}).expect(200)


def test_secrets_of_known_types(http: Http, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/secrets"
    for type_, missing in (
        ("kubernetes.io/tls", {"data[tls.crt]", "data[tls.key]"}),
        ("kubernetes.io/basic-auth", {"data[username]", "data[password]"}),
        ("kubernetes.io/service-account-token", {"metadata.annotations[kubernetes.io/service-account.name]"}),
    ):
        refused = http.post(path, {"metadata": {"name": "a"}, "type": type_}).fails(422, "Invalid")
        assert missing <= set(causes(refused)), type_
    http.post(path, {"metadata": {"name": "a"}, "type": "kubernetes.io/basic-auth", "data": {"username": ""}}).expect(
        201
    )


def test_the_size_of_data_is_of_what_is_decoded(http: Http, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/secrets"
    most = 1024 * 1024
    http.post(path, {"metadata": {"name": "a"}, "stringData": {"k": "x" * most}}).expect(201)
    refused = http.post(path, {"metadata": {"name": "b"}, "stringData": {"k": "x" * (most + 1)}}).fails(422, "Invalid")
    assert causes(refused)["data"].startswith("Too long: ")
