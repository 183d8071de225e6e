"""The options of requests: what is asked in the query or in the body of a deletion, and in which form the answer is wanted."""

from typing import Any

import pytest
from tests.conformance.conftest import APPLY, PARTIAL, PARTIAL_LIST, Http, causes, configmap, configmaps, gone

Obj = dict[str, Any]


@pytest.fixture
def path(http: Http, namespace: str) -> str:
    """The path of a ConfigMap that a finalizer holds."""
    http.post(configmaps(namespace), configmap("a", finalizers=["example.com/held"])).expect(201)
    return configmaps(namespace, "a")


@pytest.mark.parametrize("value", ["", "all", "None"])
def test_a_dry_run_that_there_is_not(http: Http, path: str, value: str) -> None:
    told = {"dryRun": f'Unsupported value: []string{{"{value}"}}: supported values: "All"'}
    assert causes(http.patch(path, {"data": {"a": "b"}}, dryRun=value).fails(422, "Invalid")) == told
    assert causes(http.delete(path, dryRun=value).fails(422, "Invalid")) == told
    assert "data" not in http.get(path).expect(200)


def test_options_are_looked_at_before_the_body(http: Http, namespace: str, path: str) -> None:
    refused = http.request("PUT", path, "{", query={"fieldValidation": "Sometimes", "fieldManager": "a" * 129})
    assert refused.fails(422, "Invalid")["details"]["kind"] == "UpdateOptions"
    assert causes(refused.json)["fieldManager"] == "Too long: may not be more than 128 bytes"
    refused = http.request("POST", configmaps(namespace), "{", query={"dryRun": "x"})
    assert refused.fails(422, "Invalid")["details"]["kind"] == "CreateOptions"


def test_force_is_of_an_apply_alone(http: Http, namespace: str, path: str) -> None:
    http.post(configmaps(namespace), configmap("b"), force=True, dryRun="All").expect(201)
    http.put(path, http.get(path).expect(200), force="x").expect(200)
    for value in ("true", "false", ""):
        refused = http.patch(path, {}, force=value).fails(422, "Invalid")
        assert causes(refused) == {"force": "Forbidden: may not be specified for non-apply patch"}
    http.apply(path, configmap("a"), force="whatever").expect(200)


@pytest.mark.parametrize("query", [{"limit": ""}, {"limit": "x"}, {"limit": "9" * 20}, {"timeoutSeconds": "x"}])
def test_numbers_of_a_list(http: Http, namespace: str, query: Obj) -> None:
    refused = http.get(configmaps(namespace), resourceVersionMatch="x", **query).fails(400, "BadRequest")
    assert "strconv.ParseInt: parsing " in refused["message"]


@pytest.mark.parametrize(
    ("code", "body"), [(400, {"propagationPolicy": 1}), (400, {"dryRun": "All"}), (400, {"gracePeriodSeconds": "x"})]
)
def test_a_deletion_that_can_t_be_read(http: Http, path: str, code: int, body: Obj) -> None:
    """Kubernetes answers a 500."""
    assert http.delete(path, body).status in (code, 500)
    assert "deletionTimestamp" not in http.get(path).expect(200)["metadata"]


def test_a_dry_deletion_answers_as_a_real_one(http: Http, path: str) -> None:
    held = http.delete(path, {"dryRun": ["All"]}).expect(200)
    assert held["kind"] == "ConfigMap" and held["metadata"]["deletionTimestamp"]
    assert "deletionTimestamp" not in http.get(path).expect(200)["metadata"]
    http.patch(path, {"metadata": {"finalizers": None}}).expect(200)
    assert http.delete(path, {"dryRun": ["All"]}).expect(200)["kind"] == "Status"
    assert not gone(http, path)


def test_a_form_that_the_answer_can_t_have(http: Http, namespace: str, path: str) -> None:
    for asked, accept in ((path, PARTIAL_LIST), (configmaps(namespace), PARTIAL)):
        one = accept.partition(",")[0]
        assert (
            "you requested PartialObjectMetadata" in http.get(asked, accept=one).fails(406, "NotAcceptable")["message"]
        )
    http.request("DELETE", path, headers={"Accept": "image/png"}).fails(406, "NotAcceptable")
    assert not gone(http, path)


def test_an_apply_brings_no_managed_fields(http: Http, path: str) -> None:
    refused = http.patch(path, configmap("a", managedFields=[]), APPLY, fieldManager="m").fails(400, "BadRequest")
    assert refused["message"] == "metadata.managedFields must be nil"
