"""Who may write drivers: StarLink's operator, whatever rights others have."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.conformance.conftest import JSON_PATCH, Answer, Http
from tests.conftest import Kubectl, eventually

Obj = dict[str, Any]

API = "/apis/starlink.dev/v1alpha1"
MASTERS = ("system:masters",)
OPERATORS = ("system:starlink:operator", "system:serviceaccount:starlink-system:starlink-operator")
OTHERS = (
    "jane",
    "system:starlink:operator2",
    "system:serviceaccount:starlink-system:operator",
    "system:serviceaccount:default:starlink-operator",
)
DRIVER: Obj = {"runtime": "Driver", "driver": {"name": "restic", "operation": "backup", "spec": {"keep": 1}}}
PROCESS: Obj = {"command": ["run"]}
TEMPLATES = {"Driver": DRIVER, "Process": PROCESS}
BOUND: Obj = {"server": "s1", "slot": "0", "attempt": 1}
SAID = "only StarLink's operator may create what is of runtime Driver"


@pytest.fixture(scope="module", autouse=True)
def _kinds(http: Http, request: pytest.FixtureRequest) -> None:
    """StarLink's kinds, with the policy in force."""
    if http.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/tasks.starlink.dev").status == 404:
        request.getfixturevalue("starlink_on_kubernetes")
    probe = manifest("tasks", "probe", "Driver")
    path = f"{API}/namespaces/default/tasks"
    eventually(lambda: http.post(path, probe, dryRun="All").status == 403, "the policy is in force")


def manifest(plural: str, name: str, runtime: str, **spec: Any) -> Obj:
    kind = {"tasks": "Task", "assignments": "Assignment"}[plural]
    bound = BOUND if plural == "assignments" else {}
    return {
        "apiVersion": "starlink.dev/v1alpha1", "kind": kind, "metadata": {"name": name},
        "spec": {**bound, "template": TEMPLATES[runtime], **spec},
    }  # fmt: skip


def refused(answer: Answer) -> None:
    assert SAID in answer.fails(403, "Forbidden")["message"]


@pytest.fixture
def operator(http_as: Callable[..., Http]) -> Http:
    return http_as(OPERATORS[0], MASTERS)


Write = Callable[[Http, str, Obj, Obj], Answer]
WRITES: dict[str, Write] = {
    "update": lambda http, path, now, new: http.put(path, {**now, "spec": new["spec"]}),
    "merge patch": lambda http, path, now, new: http.patch(path, {"spec": changes(now["spec"], new["spec"])}),
    "JSON patch": lambda http, path, now, new: http.patch(
        path, [{"op": "replace", "path": "/spec", "value": new["spec"]}], JSON_PATCH
    ),
    "apply": lambda http, path, now, new: http.apply(path, new, force=True),
}


def changes(now: Obj, new: Obj) -> Obj:
    """The merge patch from one to the other."""
    gone = {name: None for name in now if name not in new}
    both = {name: value for name, value in new.items() if now.get(name) != value}
    deep = {
        name: changes(now[name], value) if isinstance(value, dict) and isinstance(now.get(name), dict) else value
        for name, value in both.items()
    }
    return {**gone, **deep}


@pytest.mark.parametrize("plural", ["tasks", "assignments"])
@pytest.mark.parametrize("who", ["", *OTHERS])
def test_nobody_else_creates_one(
    http: Http, http_as: Callable[..., Http], namespace: str, plural: str, who: str
) -> None:
    asked = http_as(who, MASTERS) if who else http
    path = f"{API}/namespaces/{namespace}/{plural}"
    made = manifest(plural, "one", "Driver")
    refused(asked.post(path, made))
    refused(asked.post(path, made, dryRun="All"))
    refused(asked.apply(f"{path}/one", made))
    assert asked.get(f"{path}/one").status == 404
    assert asked.post(path, manifest(plural, "one", "Process")).status == 201


@pytest.mark.parametrize("plural", ["tasks", "assignments"])
@pytest.mark.parametrize("who", OPERATORS)
def test_the_operator_creates_and_tells_one(
    http_as: Callable[..., Http], namespace: str, plural: str, who: str
) -> None:
    asked = http_as(who, MASTERS)
    path = f"{API}/namespaces/{namespace}/{plural}"
    asked.post(path, manifest(plural, "one", "Driver")).expect(201)
    told = asked.patch(f"{path}/one", {"spec": {"template": {"driver": {"spec": {"keep": 2}}}}}).expect(200)
    assert told["spec"]["template"]["driver"]["spec"] == {"keep": 2}


@pytest.mark.parametrize("way", WRITES)
def test_nobody_else_changes_what_is_or_becomes_one(http: Http, operator: Http, namespace: str, way: str) -> None:
    path, write = f"{API}/namespaces/{namespace}/tasks", WRITES[way]
    for old in ("Driver", "Process"):
        name = old.lower()
        now = operator.apply(f"{path}/{name}", manifest("tasks", name, old)).expect(201)
        for new, spec in (("Driver", {"suspend": True}), ("Process", {"suspend": True})):
            answer = write(http, f"{path}/{name}", now, manifest("tasks", name, new, **spec))
            if (old, new) == ("Process", "Process"):
                answer.expect(200)
            else:
                refused(answer)
        if old == "Driver":
            assert http.get(f"{path}/{name}").expect(200)["spec"] == now["spec"]


def test_an_assignment_is_stopped_by_the_operator_alone(http: Http, operator: Http, namespace: str) -> None:
    path = f"{API}/namespaces/{namespace}/assignments"
    operator.post(path, manifest("assignments", "one", "Driver")).expect(201)
    for patch in ({"desired": "Stopped"}, {"hostPorts": [80]}, {"template": {"driver": {"spec": {"keep": 9}}}}):
        refused(http.patch(f"{path}/one", {"spec": patch}))
        operator.patch(f"{path}/one", {"spec": patch}).expect(200)


def test_a_scale_changes_no_driver(http: Http, operator: Http, namespace: str, kubectl: Kubectl) -> None:
    """A Scale tells nothing of the template, so the CRD refuses it to everybody."""
    path = f"{API}/namespaces/{namespace}/tasks"
    for name, runtime in (("driver", "Driver"), ("process", "Process")):
        operator.post(path, manifest("tasks", name, runtime, replicas=1)).expect(201)
        scaled = kubectl("scale", f"tasks.starlink.dev/{name}", "-n", namespace, "--replicas=3", check=False)
        assert (scaled.returncode == 0) is (runtime == "Process"), scaled.stderr
        answer = http.patch(f"{path}/{name}/scale", {"spec": {"replicas": 4}})
        assert answer.status == (200 if runtime == "Process" else 422), answer.body
    assert "the replicas of a driver can't be changed" in answer.json.get("message", "") or answer.status == 200
    assert http.get(f"{path}/driver").expect(200)["spec"]["replicas"] == 1


@pytest.mark.parametrize("plural", ["tasks", "assignments"])
def test_all_but_the_spec_is_for_who_has_the_rights(http: Http, operator: Http, namespace: str, plural: str) -> None:
    path = f"{API}/namespaces/{namespace}/{plural}"
    owner = http.post(f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "owner"}}).expect(201)
    operator.post(path, manifest(plural, "one", "Driver")).expect(201)
    refers = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    meta = {
        "labels": {"a": "b"},
        "annotations": {"c": "d"},
        "finalizers": ["example.com/held"],
        "ownerReferences": [refers],
    }
    found = http.patch(f"{path}/one", {"metadata": meta}).expect(200)
    assert all(found["metadata"][name] == value for name, value in meta.items())
    http.put(f"{path}/one", {**found, "metadata": {**found["metadata"], "labels": {"a": "c"}}}).expect(200)
    phase = {"tasks": "Running", "assignments": "Preparing"}[plural]
    http.patch(f"{path}/one/status", {"status": {"phase": phase}}).expect(200)
    http.delete(f"{path}/one").expect(200)
    http.patch(f"{path}/one", {"metadata": {"finalizers": None}}).expect(200)
    assert http.get(f"{path}/one").status == 404
