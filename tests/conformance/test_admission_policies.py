"""Writing ValidatingAdmissionPolicies and their bindings: what is filled in, and what is refused."""

from typing import Any

import pytest
from tests.conformance.clients import unique
from tests.conformance.conftest import Http, causes

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
RULES = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]
POLICIES = f"{ADMISSION}/validatingadmissionpolicies"
BINDINGS = f"{ADMISSION}/validatingadmissionpolicybindings"


@pytest.fixture(autouse=True)
def _served(http: Http) -> None:
    if http.get(POLICIES).status == 404:
        pytest.skip("this server has no admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy (before 1.30)")


def policy(**spec: Any) -> dict[str, Any]:
    whole = {"matchConstraints": {"resourceRules": RULES}, "validations": [{"expression": "true"}], **spec}
    return {"metadata": {"name": unique("conformance")}, "spec": whole}


def binding(**spec: Any) -> dict[str, Any]:
    whole = {"policyName": "nothing", "validationActions": ["Deny"], **spec}
    return {"metadata": {"name": unique("conformance")}, "spec": whole}


def validation(**changes: str) -> dict[str, Any]:
    return {"validations": [{"expression": "true", **changes}]}


BAD_POLICIES: dict[str, tuple[dict[str, Any], str, str]] = {
    "syntax": (validation(expression="object.metadata ="), "spec.validations[0].expression", "compilation failed"),
    "unknown name": (validation(expression="nosuch == 1"), "spec.validations[0].expression", "undeclared reference to 'nosuch'"),
    "not a bool": (validation(expression="'text'"), "spec.validations[0].expression", "must evaluate to bool"),
    "message not a string": (validation(messageExpression="1"), "spec.validations[0].messageExpression", "must evaluate to string"),
    "reason of another layer": (validation(reason="Unauthorized"), "spec.validations[0].reason", "Unsupported value"),
    "unknown reason": (validation(reason="Whim"), "spec.validations[0].reason", "Unsupported value"),
    "params without a kind": (validation(expression="params.a == 1"), "spec.validations[0].expression", "undeclared reference to 'params'"),
    "bad variable": ({"variables": [{"name": "a", "expression": "nosuch"}]}, "spec.variables[0].expression", "undeclared reference to 'nosuch'"),
    "bad condition": ({"matchConditions": [{"name": "a", "expression": "1"}]}, "spec.matchConditions[0].expression", "must evaluate to bool"),
    "unknown failure policy": ({"failurePolicy": "Shrug"}, "spec.failurePolicy", "Unsupported value"),
    "nothing to check": ({"validations": []}, "spec.validations", "validations or auditAnnotations must contain at least one item"),
    "nothing to match": ({"matchConstraints": {}}, "spec.matchConstraints.resourceRules", "Required value"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_POLICIES)
def test_bad_policies(http: Http, case: str) -> None:
    changes, field, why = BAD_POLICIES[case]
    refused = http.post(POLICIES, policy(**changes), dryRun="All").fails(422, "Invalid")
    assert why in causes(refused).get(field, ""), refused


BAD_BINDINGS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no policy": ({"policyName": ""}, "spec.policyName", "Required value"),
    "no action": ({"validationActions": []}, "spec.validationActions", "Required value"),
    "unknown action": ({"validationActions": ["Shout"]}, "spec.validationActions[0]", "Unsupported value"),
    "deny and warn": ({"validationActions": ["Deny", "Warn"]}, "spec.validationActions", "must not contain both Deny and Warn"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_BINDINGS)
def test_bad_bindings(http: Http, case: str) -> None:
    changes, field, why = BAD_BINDINGS[case]
    refused = http.post(BINDINGS, binding(**changes), dryRun="All").fails(422, "Invalid")
    assert why in causes(refused).get(field, ""), refused


def test_defaults(http: Http) -> None:
    spec = http.post(POLICIES, policy(), dryRun="All").expect(201)["spec"]
    assert spec["failurePolicy"] == "Fail"
    assert spec["matchConstraints"]["matchPolicy"] == "Equivalent"
    assert spec["matchConstraints"]["resourceRules"][0]["scope"] == "*"
    assert spec["matchConstraints"]["namespaceSelector"] == {} == spec["matchConstraints"]["objectSelector"]


def test_expressions_of_the_kubernetes_libraries_compile(http: Http) -> None:
    expressions = [
        "quantity('1Gi').isGreaterThan(quantity('1Mi'))", "isURL('https://example.com')", "['a', 'b'].isSorted()",
        "'abc'.find('b') == 'b'", "ip('10.0.0.1').family() == 4", "cidr('10.0.0.0/8').containsIP('10.1.1.1')",
        "object.?metadata.?labels.orValue({}).size() >= 0", "authorizer.path('/healthz').check('get').allowed()",
        "'a-b'.split('-').size() == 2", "[1, 2].all(x, x > 0)", "request.dryRun || true",
        "format.dns1123Label().validate('a').hasValue() || true", "namespaceObject.metadata.name != ''",
    ]  # fmt: skip
    http.post(POLICIES, policy(validations=[{"expression": one} for one in expressions]), dryRun="All").expect(201)
