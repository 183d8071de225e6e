"""ValidatingAdmissionPolicies, as the real server has them."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.apiserver.kubectl import kubectl_of
from tests.integration.conftest import ADMIN, TASKS, Core, Wire, task

from starlink.apiserver.handler import Api
from starlink.apiserver.requests import audit
from starlink.http.message import User

GROUP = "/apis/admissionregistration.k8s.io/v1"
POLICIES = f"{GROUP}/validatingadmissionpolicies"
BINDINGS = f"{GROUP}/validatingadmissionpolicybindings"
TASK_RULE = {"apiGroups": ["starlink.dev"], "apiVersions": ["*"], "operations": ["*"], "resources": ["tasks"]}
MAPS = "/api/v1/namespaces/default/configmaps"
MAP_RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}


def policy(*validations: Any, rule: Any = TASK_RULE, name: str = "p", match: Any = None, **spec: Any) -> dict[str, Any]:
    told = [{"expression": v} if isinstance(v, str) else v for v in validations]
    constraints = {"resourceRules": [rule], **(match or {})}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {"matchConstraints": constraints, **({"validations": told} if told else {}), **spec},
    }


def binding(actions: tuple[str, ...] = ("Deny",), name: str = "b", of: str = "p", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": of, "validationActions": list(actions), **spec},
    }


def config(name: str, labels: Any = None, **data: str) -> dict[str, Any]:
    meta = {"name": name, **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


async def put_in_force(core: Core, of: dict[str, Any], *bindings: dict[str, Any]) -> None:
    made = await core("POST", POLICIES, of)
    assert made.status == 201, made.body
    for one in bindings or (binding(),):
        made = await core("POST", BINDINGS, one)
        assert made.status == 201, made.body


async def test_a_refusal_has_the_real_servers_words(core: Core) -> None:
    await put_in_force(core, policy("object.spec.replicas <= 5"))
    assert (await core("POST", TASKS, task("web", replicas=5))).status == 201
    refused = await core("POST", TASKS, task("big", replicas=6))
    why = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: object.spec.replicas <= 5"
    assert (refused.status, refused.body["reason"]) == (422, "Invalid")
    assert refused.body["message"] == f'tasks.starlink.dev "big" is forbidden: {why}'
    details = refused.body["details"]
    assert (details["name"], details["group"], details["kind"]) == ("big", "starlink.dev", "tasks")
    assert [cause["message"] for cause in details["causes"]] == [why]
    assert (await core("GET", f"{TASKS}/big")).status == 404


async def test_without_a_binding_nothing_is_in_force(core: Core) -> None:
    assert (await core("POST", POLICIES, policy("false"))).status == 201
    assert (await core("POST", TASKS, task("web"))).status == 201
    assert (await core("POST", BINDINGS, binding())).status == 201
    assert (await core("POST", TASKS, task("other"))).status == 422
    assert (await core("DELETE", f"{BINDINGS}/b")).status == 200
    assert (await core("POST", TASKS, task("other"))).status == 201


async def test_every_way_to_write_and_a_dry_run(core: Core) -> None:
    made = (await core("POST", TASKS, task("web", replicas=2))).body
    await put_in_force(
        core, policy("request.operation == 'DELETE' ? oldObject.spec.replicas == 1 : object.spec.replicas < 3")
    )
    patch: Any = {"spec": {"replicas": 3}}
    apply: Any = {"media": "application/apply-patch+yaml", "fieldManager": "me", "force": "true"}
    for answer in (
        await core("POST", TASKS, task("new", replicas=3)),
        await core("POST", TASKS, task("new", replicas=3), dryRun="All"),
        await core.merge(f"{TASKS}/web", patch),
        await core.merge(f"{TASKS}/web", patch, dryRun="All"),
        await core("PUT", f"{TASKS}/web", made | {"spec": made["spec"] | {"replicas": 3}}),
        await core("PATCH", f"{TASKS}/web", task("web", replicas=3), **apply),
        await core("PATCH", f"{TASKS}/new", task("new", replicas=3), **apply),
        await core("DELETE", f"{TASKS}/web"),
        await core("DELETE", f"{TASKS}/web", dryRun="All"),
        await core("DELETE", TASKS),
    ):
        assert answer.status == 422 and "denied request" in answer.body["message"]
    assert (await core.merge(f"{TASKS}/web", {"spec": {"replicas": 1}})).status == 200
    assert (await core("DELETE", f"{TASKS}/web")).status == 200


@pytest.mark.parametrize(("reason", "code"), [("Forbidden", 403), ("RequestEntityTooLarge", 413), ("Invalid", 422)])
async def test_the_reason_gives_the_code(core: Core, reason: str, code: int) -> None:
    told = {"expression": "false", "message": " no ", "reason": reason}
    await put_in_force(core, policy(told))
    refused = await core("POST", TASKS, task("web"))
    assert (refused.status, refused.body["reason"]) == (code, reason)
    assert refused.body["message"].endswith("denied request: no")


async def test_messages(core: Core) -> None:
    rules = [
        {"expression": "object.data.a == 'x'", "message": "plain", "messageExpression": "'a is ' + object.data.a"},
        {"expression": "object.data.b == 'x'", "message": "plain", "messageExpression": "'is ' + object.data.none"},
        {"expression": "object.data.c == 'x'", "messageExpression": "'a\\nb'"},
    ]
    await put_in_force(core, policy(*rules, rule=MAP_RULE))
    cases = [({"a": "q"}, "a is q"), ({"b": "q"}, "plain"), ({"c": "q"}, "failed expression: object.data.c == 'x'")]
    for data, said in cases:
        refused = await core("POST", MAPS, config("m", None, **{"a": "x", "b": "x", "c": "x", **data}))
        assert refused.body["message"].endswith(f"denied request: {said}")


async def test_variables_are_computed_when_they_are_needed(core: Core) -> None:
    variables = [
        {"name": "bad", "expression": "object.data.none.size()"},
        {"name": "size", "expression": "object.data.a.size()"},
        {"name": "small", "expression": "variables.size < 3"},
    ]
    rules = ["variables.small", "has(object.data.b) || variables.bad == 1"]
    await put_in_force(core, policy(*rules, rule=MAP_RULE, variables=variables))
    assert (await core("POST", MAPS, config("ok", a="ab", b=""))).status == 201
    long = await core("POST", MAPS, config("long", a="abc", b=""))
    assert long.body["message"].endswith("failed expression: variables.small")
    wrong = await core("POST", MAPS, config("wrong", a="ab"))
    assert wrong.body["message"].endswith(
        "denied request: expression 'has(object.data.b) || variables.bad == 1' resulted in error: "
        'composited variable "bad" fails to evaluate: no such key: none'
    )


async def test_an_error_follows_the_failure_policy(core: Core) -> None:
    await put_in_force(core, policy("object.data.a == 'x'", rule=MAP_RULE, failurePolicy="Ignore"))
    empty = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}
    assert (await core("POST", MAPS, empty)).status == 201
    await core.merge(f"{POLICIES}/p", {"spec": {"failurePolicy": "Fail"}})
    refused = await core("POST", MAPS, {**empty, "metadata": {"name": "n"}})
    assert refused.body["message"].endswith(
        "denied request: expression 'object.data.a == 'x'' resulted in error: no such key: data"
    )


async def test_match_conditions(core: Core) -> None:
    conditions = [
        {"name": "not-admins", "expression": "!('system:masters' in request.userInfo.groups)"},
        {"name": "has-data", "expression": "object.data.a == 'x'"},
    ]
    await put_in_force(core, policy("false", rule=MAP_RULE, matchConditions=conditions))
    jane = User("jane", ("builders",))
    role = {"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}], "metadata": {"name": "r"}}
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    await core("POST", f"{rbac}/clusterroles", role)
    subject = {"kind": "User", "name": "jane", "apiGroup": "rbac.authorization.k8s.io"}
    ref = {"kind": "ClusterRole", "name": "r", "apiGroup": "rbac.authorization.k8s.io"}
    bound = {"metadata": {"name": "r"}, "roleRef": ref, "subjects": [subject]}
    assert (await core("POST", f"{rbac}/clusterrolebindings", bound)).status == 201
    assert (await core("POST", MAPS, config("a", a="x"))).status == 201
    assert (await core("POST", MAPS, config("b", a="y"), user=jane)).status == 201
    assert (await core("POST", MAPS, config("c", a="x"), user=jane)).status == 422
    wrong = await core("POST", MAPS, config("d", b="x"), user=jane)
    assert "expression 'object.data.a == 'x'' resulted in error: no such key: a" in wrong.body["message"]


async def test_warnings(core: Core) -> None:
    await put_in_force(core, policy({"expression": "false", "message": "hm"}), binding(("Warn",)))
    made = await core("POST", TASKS, task("web"))
    told = "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': hm"
    assert (made.status, made.headers["warning"]) == (201, f'299 - "{told}"')


async def test_audit(api: Api, core: Core, tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    api._audit = audit.AuditLog(file, lambda: 0.0)
    annotations = [
        {"key": "replicas", "valueExpression": "'wants ' + string(object.spec.replicas)"},
        {"key": "none", "valueExpression": "null"},
    ]
    told = {"expression": "object.spec.replicas < 3", "message": "hm"}
    await put_in_force(core, policy(told, auditAnnotations=annotations), binding(("Audit",)))
    assert (await core("POST", TASKS, task("web", replicas=4))).status == 201
    written = json.loads(file.read_text().splitlines()[-1])["annotations"]
    assert written["p/replicas"] == "wants 4" and "p/none" not in written
    failure = json.loads(written["validation.policy.admission.k8s.io/validation_failure"])
    assert failure == [
        {"message": "hm", "policy": "p", "binding": "b", "expressionIndex": 0, "validationActions": ["Audit"]}
    ]


async def test_which_requests_are_meant(core: Core) -> None:
    scaled = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 9}}
    await core("POST", TASKS, task("web"))
    await put_in_force(core, policy("object.spec.replicas < 5", rule={**TASK_RULE, "resources": ["tasks/scale"]}))
    assert (await core.merge(f"{TASKS}/web", {"spec": {"replicas": 8}})).status == 200
    refused = await core("PUT", f"{TASKS}/web/scale", scaled)
    assert refused.status == 422 and "denied request" in refused.body["message"]
    assert (await core("PUT", f"{TASKS}/web/scale", {**scaled, "spec": {"replicas": 4}})).status == 200


async def test_names_selectors_and_exclusions(core: Core) -> None:
    match = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}},
        "objectSelector": {"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["free"]}]},
        "excludeResourceRules": [{**MAP_RULE, "resourceNames": ["spared"]}],
    }
    await core("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
    await core.merge("/api/v1/namespaces/default", {"metadata": {"labels": {"kubernetes.io/metadata.name": "default"}}})
    await put_in_force(core, policy("false", rule=MAP_RULE, match=match))
    assert (await core("POST", MAPS, config("m"))).status == 422
    assert (await core("POST", MAPS.replace("default", "other"), config("m"))).status == 201
    assert (await core("POST", MAPS, config("m", {"tier": "free"}))).status == 201
    assert (await core("POST", MAPS, config("spared"))).status == 201
    taken = await core.merge(f"{MAPS}/m", {"metadata": {"labels": {"tier": "paid"}}})
    assert taken.status == 422


async def test_the_bindings_own_match(core: Core) -> None:
    narrow = {"resourceRules": [{**MAP_RULE, "resourceNames": ["one"]}]}
    await put_in_force(core, policy("false", rule=MAP_RULE), binding(matchResources=narrow))
    assert (await core("POST", MAPS, config("two"))).status == 201
    assert (await core("POST", MAPS, config("one"))).status == 422


async def test_parameters_by_name(core: Core) -> None:
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    ref = {"name": "limits", "namespace": "kube-system", "parameterNotFoundAction": "Deny"}
    await put_in_force(
        core, policy("object.spec.replicas <= int(params.data.most)", paramKind=kind), binding(paramRef=ref)
    )
    missing = await core("POST", TASKS, task("web", replicas=2))
    assert missing.body["message"].endswith(
        "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed to configure binding: "
        "no params found for policy binding with `Deny` parameterNotFoundAction"
    )
    place = MAPS.replace("default", "kube-system")
    await core("POST", place, config("limits", most="2"))
    assert (await core("POST", TASKS, task("web", replicas=2))).status == 201
    assert (await core("POST", TASKS, task("more", replicas=3))).status == 422
    await core.merge(f"{place}/limits", {"data": {"most": "3"}})
    assert (await core("POST", TASKS, task("more", replicas=3))).status == 201
    await core.merge(f"{BINDINGS}/b", {"spec": {"paramRef": {**ref, "parameterNotFoundAction": "Allow"}}})
    await core("DELETE", f"{place}/limits")
    assert (await core("POST", TASKS, task("most", replicas=9))).status == 201


async def test_parameters_by_selector(core: Core) -> None:
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    ref = {"selector": {"matchLabels": {"limit": "yes"}}, "parameterNotFoundAction": "Allow"}
    for name, most in (("a", "9"), ("b", "2")):
        await core("POST", MAPS, config(name, {"limit": "yes"}, most=most))
    await put_in_force(
        core, policy("object.spec.replicas <= int(params.data.most)", paramKind=kind), binding(paramRef=ref)
    )
    assert (await core("POST", TASKS, task("web", replicas=2))).status == 201
    assert (await core("POST", TASKS, task("more", replicas=3))).status == 422


async def test_an_unknown_kind_of_parameters(core: Core) -> None:
    kind = {"apiVersion": "example.com/v1", "kind": "Limit"}
    ref = {"name": "x", "parameterNotFoundAction": "Allow"}
    await put_in_force(core, policy("params != null", paramKind=kind), binding(paramRef=ref))
    refused = await core("POST", TASKS, task("web"))
    assert refused.body["message"].endswith(
        "ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: failed to find resource referenced "
        "by paramKind: 'example.com/v1, Kind=Limit'"
    )


async def test_what_expressions_see(core: Core) -> None:
    see = [
        "request.kind == {'group': 'starlink.dev', 'version': 'v1alpha1', 'kind': 'Task'}",
        "request.resource.resource == 'tasks' && request.name == 'web' && request.namespace == 'default'",
        "request.userInfo.username == 'admin' && !request.dryRun && request.options.kind == 'CreateOptions'",
        "oldObject == null && object.metadata.namespace == 'default' && !has(request.subResource)",
        "namespaceObject.metadata.name == 'default' && !has(namespaceObject.metadata.managedFields)",
        "authorizer.group('').resource('secrets').namespace('default').check('get').allowed()",
        "authorizer.requestResource.check('create').allowed()",
        "!authorizer.serviceAccount('default', 'x').group('').resource('secrets').check('get').allowed()",
        "quantity('1Gi').isGreaterThan(quantity('1G')) && isIP('::1')",
    ]
    await put_in_force(core, policy(*see))
    made = await core("POST", TASKS, task("web"))
    assert made.status == 201, made.body


async def test_another_version_of_the_resource_is_meant_too(core: Core) -> None:
    events = "/apis/events.k8s.io/v1/namespaces/default/events"
    event = {
        "metadata": {"name": "e"}, "eventTime": "2024-01-01T00:00:00.000000Z", "action": "a", "reason": "r",
        "reportingController": "c", "reportingInstance": "i", "type": "Normal", "note": "long story",
        "regarding": {"kind": "Task", "name": "web", "namespace": "default"},
    }  # fmt: skip
    rule = {**MAP_RULE, "resources": ["events"]}
    said = "object.involvedObject.name != 'web' && request.requestResource.group == 'events.k8s.io'"
    await put_in_force(core, policy(said, rule=rule))
    assert (await core("POST", events, event)).status == 422
    await core.merge(f"{POLICIES}/p", {"spec": {"matchConstraints": {"matchPolicy": "Exact"}}})
    assert (await core("POST", events, event)).status == 201


async def test_policies_do_not_govern_policies(core: Core) -> None:
    anything = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}
    await put_in_force(core, policy("false", rule=anything))
    assert (await core("POST", MAPS, config("m"))).status == 422
    assert (await core("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})).status == 422
    assert (await core("DELETE", f"{BINDINGS}/b")).status == 200
    assert (await core("DELETE", f"{POLICIES}/p")).status == 200


async def test_namespaces_are_cluster_scoped_and_bear_their_own_name(core: Core) -> None:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["*"], "scope": "Cluster"}
    await put_in_force(core, policy("request.namespace != 'bad' && namespaceObject == null", rule=rule))
    assert (await core("POST", "/api/v1/namespaces", {"metadata": {"name": "good"}})).status == 201
    assert (await core("POST", "/api/v1/namespaces", {"metadata": {"name": "bad"}})).status == 422
    assert (await core("POST", MAPS, config("m"))).status == 201


async def test_a_bad_policy_is_refused_where_it_is_written(core: Core) -> None:
    bad = policy("object.spec.replicas <=", "size(object)", "nothing.x", "true || variables.later")
    refused = await core("POST", POLICIES, bad)
    causes = {cause["field"]: cause["message"] for cause in refused.body["details"]["causes"]}
    assert refused.status == 422 and list(causes) == [f"spec.validations[{i}].expression" for i in range(4)]
    first = 'Invalid value: "object.spec.replicas <=": compilation failed: ERROR: <input>:1:24: Syntax error'
    assert causes["spec.validations[0].expression"].startswith(first)
    assert (
        causes["spec.validations[1].expression"] == 'Invalid value: "size(object)": must evaluate to bool but got int'
    )
    assert "undeclared reference to 'nothing" in causes["spec.validations[2].expression"]
    patched = await core("POST", POLICIES, policy("true"))
    assert patched.status == 201
    assert (await core.merge(f"{POLICIES}/p", {"spec": {"validations": [{"expression": "params.x"}]}})).status == 422


async def test_what_else_is_refused_of_policies(core: Core) -> None:
    star = {**TASK_RULE, "resources": ["*", "tasks"], "apiGroups": ["*", "a"]}
    cases: list[tuple[dict[str, Any], str]] = [
        (policy(), "spec.validations: Required value: validations or auditAnnotations must contain at least one item"),
        (policy("true", rule={**TASK_RULE, "operations": []}), "resourceRules[0].operations: Required value"),
        (policy("true", rule=star), "if '*' is present, must not specify other API groups"),
        (policy("true", variables=[{"name": "if", "expression": "1"}]), "name is not a valid CEL identifier"),
        (policy("true", paramKind={"kind": "X"}), "spec.paramKind.apiVersion: Required value"),
        (policy({"expression": "true", "message": "a\nb"}), "message must not contain line breaks"),
        (policy("true", match={"resourceRules": []}), "spec.matchConstraints.resourceRules: Required value"),
    ]
    for body, said in cases:
        refused = await core("POST", POLICIES, body)
        assert refused.status == 422 and said in refused.body["message"], refused.body["message"]
    ref = {"name": "a", "selector": {}, "parameterNotFoundAction": "Allow"}
    bound: list[tuple[dict[str, Any], str]] = [
        (binding(("Deny", "Warn")), "must not contain both Deny and Warn"),
        (binding(paramRef=ref), "name and selector are mutually exclusive"),
        (binding(paramRef={"parameterNotFoundAction": "Allow"}), "one of name or selector must be specified"),
        (binding(paramRef={"name": "a"}), "spec.paramRef.parameterNotFoundAction: Required value"),
    ]
    for body, said in bound:
        refused = await core("POST", BINDINGS, body)
        assert refused.status == 422 and said in refused.body["message"], refused.body["message"]


async def test_an_expression_that_would_run_for_long_is_cut_off(core: Core) -> None:
    many = "object.data.all(a, object.data.all(b, object.data.all(c, true)))"
    await put_in_force(core, policy(many, rule=MAP_RULE))
    big = config("m", None, **{f"k{i}": "" for i in range(60)})
    refused = await core("POST", MAPS, big)
    assert refused.body["message"].endswith("resulted in error: operation cancelled: actual cost limit exceeded")


async def test_variables_do_not_grow_without_end(core: Core) -> None:
    grown = [{"name": "v0", "expression": "'0123456789'"}]
    grown += [{"name": f"v{i}", "expression": " + ".join([f"variables.v{i - 1}"] * 10)} for i in range(1, 9)]
    await put_in_force(core, policy("variables.v8.size() > 0", rule=MAP_RULE, variables=grown))
    refused = await core("POST", MAPS, config("m"))
    assert "operation cancelled: actual cost limit exceeded" in refused.body["message"]


async def test_the_policys_columns(core: Core) -> None:
    await put_in_force(core, policy("true"))
    table = await core("GET", POLICIES, accept="application/json;as=Table;v=v1;g=meta.k8s.io", user=ADMIN)
    assert ["p", 1, "<unset>"] in [row["cells"][:3] for row in table.body["rows"]]


async def test_with_kubectl(core: Core, wire: Wire, tmp_path: Path) -> None:
    kubectl = kubectl_of(wire, tmp_path)
    rules = policy("object.spec.replicas <= 5", rule={**TASK_RULE, "scope": "*"})
    for created in ("created", "unchanged"):
        for made in (rules, binding()):
            assert created in (await kubectl("apply", "-f", "-", stdin=json.dumps(made))).stdout
    refused = await kubectl("create", "-f", "-", stdin=json.dumps(task("big", replicas=6)), check=False)
    assert refused.returncode == 1 and refused.stderr.startswith('The tasks "big" is invalid: ')
    why = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed expression: object.spec.replicas <= 5"
    assert refused.stderr.strip().endswith(why)
    rules["spec"]["validations"][0]["expression"] = "object.spec.replicas <="
    refused = await kubectl("apply", "-f", "-", stdin=json.dumps(rules), check=False)
    assert "spec.validations[0].expression: Invalid value" in refused.stderr and "Syntax error" in refused.stderr
