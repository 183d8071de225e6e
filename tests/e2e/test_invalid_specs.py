"""Specs that an API server let in and nobody can use: told, contained, and not tried again and again."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import Starlink, eventually
from tests.crds import shipped

Obj = dict[str, Any]
RUN = {"command": ["sleep", "100000"], "stop": {"gracePeriod": "1s"}}
TASKS, POOLS = ("tasks", "pools")


def schema(crd: Obj) -> Obj:
    found: Obj = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def loose(value: Any) -> Any:
    """A schema without the rules and patterns that keep out what can't be used."""
    if isinstance(value, list):
        return [loose(part) for part in value]
    if not isinstance(value, dict):
        return value
    left_out = {"x-kubernetes-validations", *(["pattern"] if isinstance(value.get("pattern"), str) else [])}
    return {name: loose(part) for name, part in value.items() if name not in left_out}


@pytest.fixture(scope="module")
def lenient(starlink: Starlink) -> Iterator[Starlink]:
    """Its API takes what CRDs of an earlier version took, and no status of a Task with more than one instance
    desired, nor one of a Pool with a server."""
    crds = {plural: shipped(plural) for plural in (TASKS, POOLS)}
    for crd in copy.deepcopy(crds).values():
        version = crd["spec"]["versions"][0]
        version["schema"]["openAPIV3Schema"] = loose(schema(crd))
        status = schema(crd)["properties"]["status"]["properties"]
        if crd["spec"]["names"]["plural"] == TASKS:
            status["desired"]["maximum"] = 1
        else:
            status["servers"]["maximum"] = 0
        starlink.apply(crd)
    yield starlink
    starlink.apply(*crds.values())


def task(name: str, cpu: str = "10m", **spec: Any) -> Obj:
    return {
        "apiVersion": "starlink.dev/v1alpha1",
        "kind": "Task",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"template": {**RUN, "resources": {"requests": {"cpu": cpu}}}, **spec},
    }


def ready(starlink: Starlink, kind: str, name: str) -> tuple[str, str]:
    conditions = starlink.get(kind, name).get("status", {}).get("conditions", [])
    return next(((c["reason"], c["message"]) for c in conditions if c["type"] == "Ready"), ("", ""))


def events(starlink: Starlink, name: str, reason: str) -> list[Obj]:
    return [e for e in starlink.items("events") if e["reason"] == reason and e["involvedObject"]["name"] == name]


def test_what_can_not_be_used_is_told_and_harms_nobody(lenient: Starlink) -> None:
    pool = {
        "apiVersion": "starlink.dev/v1alpha1",
        "kind": "Pool",
        "metadata": {"name": "odd"},
        "spec": {"quota": {"cpu": "lots"}},
    }
    lenient.apply(pool, task("odd", cpu="lots"), task("well"))
    eventually(lambda: lenient.condition("task", "well", "Ready") == "True", "the other task is ready")
    eventually(lambda: ready(lenient, "task", "odd")[0] == "InvalidSpec", "the task is told")
    said = "'lots' is not a quantity; write a number with an optional unit, such as 500m or 256Mi"
    assert ready(lenient, "task", "odd")[1] == f"spec.template.resources.requests.cpu: {said}"
    eventually(lambda: ready(lenient, "pool", "odd") == ("InvalidSpec", f"spec.quota.cpu: {said}"), "so is the pool")
    eventually(lambda: events(lenient, "odd", "InvalidSpec"), "and an Event says so")
    done = lenient.cli("plan", "-f", "-", stdin=json.dumps(task("odd", cpu="lots")), check=False)
    told = f"task default/odd: InvalidSpec: spec.template.resources.requests.cpu: {said}\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, told, "")
    both = "\n---\n".join(json.dumps(one) for one in (task("odd", cpu="lots"), task("new")))
    done = lenient.cli("plan", "-f", "-", stdin=both, check=False)
    assert done.returncode == 2 and done.stdout.startswith(f"{told}task default/new: 1 to create\n")
    lenient.cli("delete", "task", "odd", "well")
    lenient.cli("delete", "pool", "odd")


def test_a_plan_that_the_api_refuses_is_told_and_not_tried_all_the_time(lenient: Starlink) -> None:
    lenient.apply(task("pair", replicas=2))
    told = eventually(lambda: events(lenient, "pair", "PlanRefused"), "an Event says so")
    assert "status.desired in body should be less than or equal to 1" in told[0]["message"]
    spec = {"selector": {"kubernetes.io/os": "linux"}}
    lenient.apply({"apiVersion": "starlink.dev/v1alpha1", "kind": "Pool", "metadata": {"name": "all"}, "spec": spec})
    told = eventually(lambda: events(lenient, "all", "PlanRefused"), "an Event says so of a pool too")
    assert "status.servers in body should be less than or equal to 0" in told[0]["message"]
    lenient.cli("delete", "pool", "all", "--force")  # its instances run there
    lenient.apply(task("pair", replicas=1))
    eventually(lambda: lenient.condition("task", "pair", "Ready") == "True", "the task is ready once it is another")
    lenient.cli("delete", "task", "pair")
