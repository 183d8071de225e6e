"""Request bodies: their media, their fields, and whether they fit the URL."""

from typing import Any

import pytest
from tests.conformance.conftest import Crds, Http, causes, configmap, configmaps, obj_of

Obj = dict[str, Any]


def test_field_validation_of_built_in_kinds(http: Http, namespace: str) -> None:
    body = {**configmap("a", {"k": "v"}), "extra": 1}
    warned = http.post(configmaps(namespace), body)
    assert "extra" not in warned.expect(201)
    assert warned.warnings == ['unknown field "extra"']
    http.delete(configmaps(namespace, "a")).expect(200)
    quiet = http.post(configmaps(namespace), body, fieldValidation="Ignore")
    quiet.expect(201)
    assert quiet.warnings == []
    refused = http.post(configmaps(namespace), {**body, "metadata": {"name": "b"}}, fieldValidation="Strict")
    words = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "extra"'
    assert refused.fails(400, "BadRequest")["message"] == words


def test_field_validation_of_custom_kinds(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(
        obj_of(
            spec=obj_of(size={"type": "integer"}, ports={"type": "array", "items": obj_of(port={"type": "integer"})})
        )
    )
    body = widgets.obj("a", spec={"size": 1, "wide": 2, "ports": [{"port": 1, "host": "x"}]})
    warned = http.post(widgets.path(namespace), body, fieldValidation="Warn")
    assert warned.expect(201)["spec"] == {"size": 1, "ports": [{"port": 1}]}
    assert sorted(warned.warnings) == ['unknown field "spec.ports[0].host"', 'unknown field "spec.wide"']
    refused = http.post(widgets.path(namespace), {**body, "metadata": {"name": "b"}}, fieldValidation="Strict")
    message = refused.fails(400, "BadRequest")["message"]
    assert "strict decoding error: " in message
    assert 'unknown field "spec.wide"' in message
    refused = http.patch(widgets.path(namespace, "a"), {"spec": {"wide": 2}}, fieldValidation="Strict")
    assert 'strict decoding error: unknown field "spec.wide"' in causes(refused.fails(422, "Invalid"))["patch"]


def test_duplicate_fields_are_told(http: Http, namespace: str) -> None:
    body = (
        '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}, "data": {"k": "w"}}'
    )
    json = {"Content-Type": "application/json"}
    warned = http.request("POST", configmaps(namespace), body, headers=json)
    assert warned.expect(201)["data"] == {"k": "w"}
    assert warned.warnings == ['duplicate field "data"']
    refused = http.request("POST", configmaps(namespace), body, headers=json, query={"fieldValidation": "Strict"})
    assert 'strict decoding error: duplicate field "data"' in refused.fails(400, "BadRequest")["message"]


def test_duplicate_fields_deep_down(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd()
    told = ['duplicate field "spec.ports[0].port"', 'duplicate field "spec.size"']
    spec = '{"size": 1, "ports": [{"port": 1, "port": 2}], "size": 2}'
    body = f'{{"apiVersion": "{widgets.api_version}", "kind": "{widgets.kind}", "metadata": {{"name": "a"}}, "spec": {spec}}}'
    made = http.request("POST", widgets.path(namespace), body, headers={"Content-Type": "application/json"})
    assert made.expect(201)["spec"] == {"size": 2, "ports": [{"port": 2}]}
    assert sorted(made.warnings) == told
    path = widgets.path(namespace, "a")
    patched = http.patch(path, f'{{"spec": {spec}}}')
    patched.expect(200)
    assert sorted(patched.warnings) == told
    refused = http.patch(path, f'{{"spec": {spec}}}', fieldValidation="Strict").fails(422, "Invalid")
    assert 'strict decoding error: duplicate field "spec.ports[0].port"' in causes(refused)["patch"]
    assert http.patch(path, f'{{"spec": {spec}}}', fieldValidation="Ignore").warnings == []


def test_duplicate_fields_told_by_their_escapes(http: Http, namespace: str) -> None:
    body = r'{"metadata": {"name": "a"}, "data": {"k": "a:b", "\u006b": "c"}}'
    made = http.request("POST", configmaps(namespace), body, headers={"Content-Type": "application/json"})
    assert made.expect(201)["data"] == {"k": "c"}
    assert made.warnings == ['duplicate field "data.k"']
    plain = r'{"metadata": {"name": "b"}, "data": {"k": "a\u003ab:c", "l": "{\"d\": 1}"}}'
    assert (
        http.request("POST", configmaps(namespace), plain, headers={"Content-Type": "application/json"}).warnings == []
    )


def test_a_body_without_a_content_type_is_json(http: Http, namespace: str) -> None:
    body = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}'
    assert http.request("POST", configmaps(namespace), body).expect(201)["metadata"]["name"] == "a"


def test_yaml_is_taken(http: Http, namespace: str) -> None:
    body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n"
    made = http.request("POST", configmaps(namespace), body, headers={"Content-Type": "application/yaml"})
    assert made.expect(201)["data"] == {"k": "v"}


def test_unknown_media(http: Http, namespace: str) -> None:
    answer = http.request("POST", configmaps(namespace), "<a/>", headers={"Content-Type": "application/xml"})
    message = answer.fails(415, "UnsupportedMediaType")["message"]
    assert message.startswith("the body of the request was in an unknown format - accepted media types include: ")
    assert "application/json, application/yaml" in message


def test_forms_that_cannot_be_answered(http: Http, namespace: str, crd: Crds) -> None:
    """The real server routes requests for built-in kinds by their media type, and says so in its router's words."""
    http.post(configmaps(namespace), configmap("a")).expect(201)
    widgets = crd()
    served = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    routed = f"406: Not Acceptable\n\nAvailable representations: {served}"
    streamed = f"{routed}, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
    only = f"only the following media types are accepted: {served}"
    for path, accept, words in (
        (configmaps(namespace), "application/xml", streamed),
        (configmaps(namespace, "a"), "text/html", routed),
        (configmaps(namespace, "a"), "application/json;as=Picture;v=v1;g=meta.k8s.io", only),
        (widgets.path(namespace), "application/xml", only),
    ):
        assert http.get(path, accept=accept).fails(406, "NotAcceptable")["message"] == words


@pytest.mark.parametrize("body", ["{", "[]", '"a"', "", '{"metadata": {"name": "a"}', "{'a': 1}"])
def test_malformed_bodies(http: Http, namespace: str, body: str) -> None:
    answer = http.request("POST", configmaps(namespace), body, headers={"Content-Type": "application/json"})
    answer.fails(400, "BadRequest")


@pytest.mark.parametrize("data", [5, ["a"], {"k": 1}, {"k": {"a": "b"}}])
def test_built_in_fields_of_another_type(http: Http, namespace: str, data: Any) -> None:
    refused = http.post(configmaps(namespace), {**configmap("a"), "data": data}).fails(400, "BadRequest")
    assert 'ConfigMap in version "v1" cannot be handled as a ConfigMap: ' in refused["message"]


def test_bodies_that_are_too_large(http: Http, namespace: str) -> None:
    body = configmap("a", {"k": "x" * (4 << 20)})
    http.post(configmaps(namespace), body).fails(413, "RequestEntityTooLarge")
    refused = http.post(configmaps(namespace), configmap("a", {"k": "x" * (1_100_000)})).fails(422, "Invalid")
    assert refused["details"]["causes"][0]["reason"] == "FieldValueTooLong"


def test_a_body_of_another_built_in_kind(http: Http, namespace: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}
    refused = http.post(configmaps(namespace), secret).fails(400, "BadRequest")
    assert 'Secret in version "v1" cannot be handled as a ConfigMap' in refused["message"]
    later = {**configmap("a"), "apiVersion": "v2"}
    refused = http.post(configmaps(namespace), later).fails(400, "BadRequest")
    assert 'ConfigMap in version "v2" cannot be handled as a ConfigMap' in refused["message"]


def test_a_body_of_another_custom_kind(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd()
    later = widgets.obj("a", version="v9")
    refused = http.post(widgets.path(namespace), later).fails(400, "BadRequest")
    assert refused["message"] == (
        f"the API version in the data ({widgets.group}/v9) does not match the expected API version ({widgets.api_version})"
    )
    other = {**widgets.obj("a"), "kind": "Gadget"}
    refused = http.post(widgets.path(namespace), other).fails(422, "Invalid")
    assert causes(refused) == {"kind": f'Invalid value: "Gadget": must be {widgets.kind}'}


def test_another_name_in_the_body(http: Http, namespace: str) -> None:
    http.post(configmaps(namespace), configmap("a")).expect(201)
    refused = http.put(configmaps(namespace, "a"), configmap("b")).fails(400, "BadRequest")
    assert refused["message"] == "the name of the object (b) does not match the name on the URL (a)"
    refused = http.post(configmaps(namespace), configmap("b", namespace="default")).fails(400, "BadRequest")
    words = "the namespace of the provided object does not match the namespace sent on the request"
    assert refused["message"] == words
    http.put(configmaps(namespace, "a"), configmap("a", namespace="default")).fails(400, "BadRequest")
