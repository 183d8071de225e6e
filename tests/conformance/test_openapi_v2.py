"""OpenAPI v2, and what kubectl does with it: lists, kinds that nobody serves, and `explain` by the older document.

The words are kubectl's own beside a Kubernetes 1.32.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.clients import every_kubectl, newest, widgets
from tests.conformance.conftest import Http, Installed
from tests.conftest import Kubectl

__all__ = ["newest", "widgets"]

PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
LIST = """
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: '1'}}
- {apiVersion: %(api_version)s, kind: %(kind)s, metadata: {name: w}, spec: {size: 1}}
"""
STRANGER = "apiVersion: %s\nkind: Stranger\nmetadata: {name: s}\n"
ABSENT = 'no matches for kind "Stranger" in version "%s"\nensure CRDs are installed first\n'


@pytest.fixture
def k(newest: Kubectl, namespace: str) -> Callable[..., Any]:
    """`k(*words, stdin=None)`: kubectl in the test's namespace: its exit code, and all that it printed."""

    def run(*words: str, stdin: str | None = None) -> tuple[int, str]:
        done = newest("--namespace", namespace, *words, stdin=stdin, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_a_list_is_applied(k: Any, widgets: Installed, how: tuple[str, ...]) -> None:
    listed = LIST % {"api_version": f"{widgets.group}/v1", "kind": widgets.kind}
    code, said = k("apply", *how, "-f", "-", stdin=listed)
    assert (code, said.count("configmap/a"), said.count("/w ")) == (0, 1, 1), said


def test_what_get_prints_is_applied(k: Any, widgets: Installed) -> None:
    listed = LIST % {"api_version": f"{widgets.group}/v1", "kind": widgets.kind}
    assert k("apply", "-f", "-", stdin=listed)[0] == 0
    code, both = k("get", "configmap/a", f"{widgets.plural}/w", "-o", "json")
    assert (code, json.loads(both)["kind"]) == (0, "List")
    code, said = k("apply", "-f", "-", stdin=both)
    assert (code, "configmap/a" in said) == (0, True), said


def test_an_unknown_field_in_a_list_is_refused(k: Any, widgets: Installed) -> None:
    listed = LIST % {"api_version": f"{widgets.group}/v1", "kind": widgets.kind}
    code, said = k("apply", "-f", "-", stdin=listed.replace("data:", "dates:"))
    assert code == 1
    assert 'unknown field "dates"' in said


@pytest.mark.parametrize("version", ["v1", "apps/v1", "nobody.example.com/v1"])
@pytest.mark.parametrize("how", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_a_kind_that_nobody_serves(k: Any, version: str, how: tuple[str, ...]) -> None:
    code, said = k("apply", *how, "-f", "-", stdin=STRANGER % version)
    assert code == 1
    assert said.endswith(ABSENT % version), said


@pytest.mark.parametrize("minor", sorted(every_kubectl()) or ["none"])
def test_lists_with_every_minor(
    kubeconfig: Path, namespace: str, widgets: Installed, tmp_path: Path, minor: str
) -> None:  # fmt: skip
    if minor == "none":
        pytest.skip("there is one kubectl")
    kubectl = Kubectl(every_kubectl()[minor], kubeconfig, tmp_path)
    listed = LIST % {"api_version": f"{widgets.group}/v1", "kind": widgets.kind}
    assert kubectl("--namespace", namespace, "apply", "-f", "-", stdin=listed).returncode == 0
    said = kubectl("--namespace", namespace, "apply", "-f", "-", stdin=STRANGER % "apps/v1", check=False)
    assert said.stderr.endswith(ABSENT % "apps/v1")


def test_explain_by_the_older_document(k: Any, widgets: Installed) -> None:
    """kubectl reads the whole message for it: each schema, each reference."""
    code, said = k("explain", f"{widgets.plural}.spec.size", "--output", "plaintext-openapiv2")
    assert code == 0, said
    assert "size <integer>" in " ".join(said.split())
    code, said = k("explain", "configmaps.data", "--output", "plaintext-openapiv2")
    assert "data <map[string]string>" in " ".join(said.split())


def parameter(document: Any, one: Any) -> Any:
    """A parameter, which may be said where all operations share it."""
    return document["parameters"][one["$ref"].rpartition("/")[2]] if "$ref" in one else one


def test_both_media_say_the_same_as_v3(http: Http) -> None:
    document = http.get("/openapi/v2").expect(200)
    assert (document["swagger"], "openapi" in document) == ("2.0", False)
    patch = document["paths"]["/api/v1/namespaces/{namespace}/configmaps/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    told = [parameter(document, one) for one in patch["parameters"]]
    assert ("fieldValidation", "query", "string") in [(one["name"], one["in"], one.get("type")) for one in told]
    answer = http.get("/openapi/v2", accept=PROTOBUF)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
    names = [name.encode() for name in document["definitions"]]
    assert [name for name in names if name not in answer.body] == []
    assert http.get("/openapi/v2", accept="text/html").status == 406


def test_it_is_fetched_once(http: Http) -> None:
    first = http.get("/openapi/v2")
    first.expect(200)
    again = http.request("GET", "/openapi/v2", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def references(part: Any) -> set[str]:
    if isinstance(part, list):
        return set().union(*map(references, part))
    if not isinstance(part, dict):
        return set()
    own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
    return own.union(*map(references, part.values()))


def test_each_reference_leads_to_a_definition(http: Http) -> None:
    document = http.get("/openapi/v2").expect(200)
    there = {f"#/{part}/{name}" for part in ("definitions", "parameters") for name in document.get(part, ())}
    assert references(document) <= there
