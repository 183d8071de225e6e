"""ValidatingAdmissionPolicy: what policies refuse, warn of and let pass.

Every policy is bound to the test's own namespace. A policy is in force a moment after its binding is written, so each
test first waits for something that it does, and only then looks at what it does not do.
https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.conformance.clients import config_map, config_maps, unique
from tests.conformance.conftest import MERGE, SECONDS, Answer, Http, causes
from tests.conftest import eventually

Obj = dict[str, Any]

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
LABEL = "conformance.example.com/policed"
RULES = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE", "DELETE"], "resources": ["configmaps"]}]  # fmt: skip
NOT_BAD = "!has(object.data) || !('bad' in object.data)"


@dataclass
class Policies:
    """Policies bound to one namespace, removed when the test ends."""

    http: Http
    namespace: str
    made: list[str] = field(default_factory=list)

    def __call__(self, *validations: Obj | str, actions: tuple[str, ...] = ("Deny",), param: Obj | None = None, match: Obj | None = None, **spec: Any) -> str:  # fmt: skip
        """Binds a policy of these validations to the namespace, and gives its name."""
        name = unique("conformance")
        rules = [{"expression": one} if isinstance(one, str) else one for one in validations]
        policy = {"matchConstraints": {"resourceRules": RULES}, "validations": rules, **spec}
        self._post("validatingadmissionpolicies", name, policy)
        matched = {"namespaceSelector": {"matchLabels": {LABEL: self.namespace}}, **(match or {})}
        binding = {"policyName": name, "validationActions": list(actions), "matchResources": matched}
        self._post("validatingadmissionpolicybindings", name, {**binding, **({"paramRef": param} if param else {})})
        return name

    def _post(self, plural: str, name: str, spec: Obj) -> None:
        self.http.post(f"{ADMISSION}/{plural}", {"metadata": {"name": name}, "spec": spec}).expect(201)
        self.made.append(f"{ADMISSION}/{plural}/{name}")

    def create(self, name: str = "", **data: str) -> Answer:
        """Makes a ConfigMap; without a name, as a dry run of one."""
        dry = {} if name else {"dryRun": "All"}
        return self.http.post(config_maps(self.namespace), config_map(name or "probe", **data), **dry)

    def until_refused(self, **data: str) -> Obj:
        """Waits until a ConfigMap of this data is refused, and gives the refusal."""
        eventually(lambda: self.create(**data).status >= 400, "the policy is in force", SECONDS)
        refused: Obj = self.create(**data).json
        return refused

    def remove(self) -> None:
        for path in reversed(self.made):
            self.http.delete(path)


@pytest.fixture
def policies(http: Http, namespace: str) -> Iterator[Policies]:
    """`policies(*validations)`: policies in force in the test's namespace."""
    if http.get(f"{ADMISSION}/validatingadmissionpolicies").status == 404:
        pytest.skip("this server has no admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy (before 1.30)")
    http.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": {LABEL: namespace}}}, MERGE).expect(200)
    made = Policies(http, namespace)
    yield made
    made.remove()


def denied(name: str, message: str) -> str:
    return f"ValidatingAdmissionPolicy '{name}' with binding '{name}' denied request: {message}"


def test_deny(policies: Policies) -> None:
    name = policies({"expression": NOT_BAD, "message": "no bad data"})
    refused = policies.until_refused(bad="1")
    assert refused["message"] == f'configmaps "probe" is forbidden: {denied(name, "no bad data")}'
    assert (refused["code"], refused["reason"]) == (422, "Invalid")
    assert refused["details"]["name"] == "probe" and refused["details"]["kind"] == "configmaps"
    assert causes(refused)[""] == denied(name, "no bad data")
    policies.create(good="1").expect(201)
    policies.http.post(config_maps("default"), config_map(unique("probe"), bad="1"), dryRun="All").expect(201)
    assert policies.create("bad", bad="1").status == 422


def test_without_a_message_the_expression_is_told(policies: Policies) -> None:
    name = policies(NOT_BAD)
    assert denied(name, f"failed expression: {NOT_BAD}") in policies.until_refused(bad="1")["message"]


def test_every_way_of_writing_is_looked_at(policies: Policies) -> None:
    policies(NOT_BAD)
    policies.until_refused(bad="1")
    policies.create("a", good="1").expect(201)
    http, path = policies.http, config_maps(policies.namespace, "a")
    http.patch(path, {"data": {"bad": "1"}}).fails(422, "Invalid")
    http.put(path, config_map("a", bad="1")).fails(422, "Invalid")
    for name in ("a", "new"):
        http.apply(config_maps(policies.namespace, name), config_map(name, bad="1")).fails(422, "Invalid")
    http.patch(path, {"data": {"good": "2"}}).expect(200)


@pytest.mark.parametrize(
    ("reason", "code"),
    [("Forbidden", 403), ("Invalid", 422), ("RequestEntityTooLarge", 413)],
)
def test_reasons(policies: Policies, reason: str, code: int) -> None:
    policies({"expression": NOT_BAD, "reason": reason})
    refused = policies.until_refused(bad="1")
    assert (refused["code"], refused["reason"]) == (code, reason)


@pytest.mark.parametrize(
    ("expression", "told"),
    [("'not ' + object.data.bad", "not this"), ("'not ' + object.data.missing", "no")],  # one that fails gives way
)
def test_message_expressions(policies: Policies, expression: str, told: str) -> None:
    name = policies({"expression": NOT_BAD, "message": "no", "messageExpression": expression})
    assert policies.until_refused(bad="this")["message"].endswith(denied(name, told))


def test_warn(policies: Policies) -> None:
    name = policies({"expression": NOT_BAD, "message": "rather not"}, actions=("Warn",))
    told = f"Validation failed for ValidatingAdmissionPolicy '{name}' with binding '{name}': rather not"
    eventually(lambda: told in policies.create(bad="1").warnings, "the warning", SECONDS)
    assert not policies.create(good="1").warnings


def test_an_audited_failure_is_not_told(policies: Policies) -> None:
    policies("!has(object.data) || !('worse' in object.data)")
    policies(NOT_BAD, actions=("Audit",))
    policies.until_refused(worse="1")
    assert not policies.create(bad="1").warnings
    policies.create("bad", bad="1").expect(201)


def test_match_conditions(policies: Policies) -> None:
    conditions = [{"name": "not-exempt", "expression": "!object.metadata.name.startsWith('exempt-')"}]
    policies(NOT_BAD, matchConditions=conditions)
    policies.until_refused(bad="1")
    policies.create("exempt-a", bad="1").expect(201)


def test_variables(policies: Policies) -> None:
    variables = [
        {"name": "data", "expression": "has(object.data) ? object.data : {}"},
        {"name": "count", "expression": "size(variables.data)"},
    ]
    name = policies(
        {"expression": "variables.count < 2", "messageExpression": "'too many: ' + string(variables.count)"},
        variables=variables,
    )
    assert denied(name, "too many: 2") in policies.until_refused(a="1", b="2")["message"]
    policies.create("a", a="1").expect(201)


def test_params(policies: Policies) -> None:
    policies.http.post(config_maps(policies.namespace), config_map("limits", most="3")).expect(201)
    policies(
        "object.metadata.name == 'limits' || !has(object.data) || size(object.data) <= int(params.data.most)",
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        param={"name": "limits", "parameterNotFoundAction": "Deny"},
    )
    policies.until_refused(a="1", b="2", c="3", d="4")
    policies.create("a", a="1", b="2", c="3").expect(201)
    policies.http.patch(config_maps(policies.namespace, "limits"), {"data": {"most": "2"}}).expect(200)
    policies.until_refused(a="1", b="2", c="3")


@pytest.mark.parametrize("action", ["Deny", "Allow"])
def test_missing_params(policies: Policies, action: str) -> None:
    policies("!has(object.data) || !('worse' in object.data)")
    policies(
        "params.data.x == 'y'",
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        param={"name": "missing", "parameterNotFoundAction": action},
    )
    if action == "Deny":
        told = policies.until_refused(a="1")["message"]
        assert "no params found for policy binding with `Deny` parameterNotFoundAction" in told
    else:
        policies.until_refused(worse="1")
        policies.create("a", a="1").expect(201)


def test_an_error_in_an_expression_refuses(policies: Policies) -> None:
    policies("object.data.wanted == 'yes'")
    refused = policies.until_refused(other="1")
    assert "expression 'object.data.wanted == 'yes'' resulted in error: no such key: wanted" in refused["message"]
    policies.create("a", wanted="yes").expect(201)


def test_an_ignored_error_lets_pass(policies: Policies) -> None:
    policies("object.data.wanted == 'yes'", failurePolicy="Ignore")
    policies.until_refused(wanted="no")
    policies.create("a", other="1").expect(201)


def test_object_selector(policies: Policies) -> None:
    policies(NOT_BAD, match={"objectSelector": {"matchExpressions": [{"key": "exempt", "operator": "DoesNotExist"}]}})
    policies.until_refused(bad="1")
    exempt = config_map("a", bad="1")
    exempt["metadata"]["labels"] = {"exempt": ""}
    policies.http.post(config_maps(policies.namespace), exempt).expect(201)


def test_what_an_expression_sees(policies: Policies) -> None:
    policies(
        {"expression": "request.operation == 'CREATE' || object.data.a == oldObject.data.a", "message": "a is kept"},
        {"expression": "namespaceObject.metadata.labels[?'" + LABEL + "'].hasValue() || true"},
        {"expression": f"request.namespace == '{policies.namespace}' && request.resource.resource == 'configmaps'"},
        {"expression": "request.userInfo.username != '' && 'system:authenticated' in request.userInfo.groups"},
        {"expression": NOT_BAD},
    )
    policies.until_refused(bad="1")
    policies.create("a", a="1").expect(201)
    refused = policies.http.patch(config_maps(policies.namespace, "a"), {"data": {"a": "2"}}).fails(422, "Invalid")
    assert "a is kept" in refused["message"]


def test_deletion(policies: Policies) -> None:
    kept = "request.operation != 'DELETE' || !has(oldObject.data) || !('keep' in oldObject.data)"
    policies(
        {"expression": kept, "message": "it is kept"}, {"expression": "request.operation == 'DELETE' || " + NOT_BAD}
    )
    policies.until_refused(bad="1")
    for name, data in (("kept", {"keep": "1"}), ("other", {"a": "1"})):
        policies.create(name, **data).expect(201)
    refused = policies.http.delete(config_maps(policies.namespace, "kept")).fails(422, "Invalid")
    assert "it is kept" in refused["message"]
    policies.http.delete(config_maps(policies.namespace, "other")).expect(200)


def test_the_authorizer_is_asked(policies: Policies) -> None:
    may = f"authorizer.group('').resource('secrets').namespace('{policies.namespace}').check('list').allowed()"
    policies(may, NOT_BAD)
    policies.until_refused(bad="1")
    policies.create("a", a="1").expect(201)  # the administrator may


def test_a_deleted_binding_is_out_of_force(policies: Policies) -> None:
    name = policies(NOT_BAD)
    policies.until_refused(bad="1")
    policies.http.delete(f"{ADMISSION}/validatingadmissionpolicybindings/{name}").expect(200)
    eventually(lambda: policies.create(bad="1").status == 201, "the policy is out of force", SECONDS)
