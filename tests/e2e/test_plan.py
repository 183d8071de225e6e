"""plan, pool move and rebalance with two real agents, an operator and an API server that asks who is asking."""

import asyncio
import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests import warm
from tests.conftest import Starlink, _let_pass, eventually

from starlink.api import quantity
from starlink.api.kinds import TASK
from starlink.client.config import Config, load, render
from starlink.client.kube import Client

RBAC = "rbac.authorization.k8s.io"


def task(name: str, namespace: str = "default", cpu: str = "10m", **spec: Any) -> dict[str, Any]:
    template = {
        "command": ["sleep", "100000"],
        "resources": {"requests": {"cpu": cpu}},
        "stop": {"gracePeriod": "1s"},
    }
    return {
        "apiVersion": "starlink.dev/v1alpha1",
        "kind": "Task",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"template": template, **spec},
    }


def pool(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "starlink.dev/v1alpha1", "kind": "Pool", "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlink]:
    """A StarLink with servers s1 and s2."""
    folder = tmp_path_factory.mktemp("two")
    _let_pass(folder)
    found = Starlink(folder)
    second: warm.Running | None = None
    try:
        found.up()
        second = second_agent(found)
        eventually(lambda: found.condition("server", "s2", "Ready") == "True", "s2 is ready")
        yield found
    finally:
        if second is not None:
            second.terminate()
            second.wait(30)
        found.remove()


def second_agent(starlink: Starlink) -> warm.Running:
    kubeconfig = starlink.folder / "s2.kubeconfig"
    kubeconfig.write_text(starlink.add_server("s2"))
    kubeconfig.chmod(0o600)
    words = ("--kubeconfig", str(kubeconfig), "--name", "s2", "--data-dir", str(starlink.folder / "s2"))
    with (starlink.folder / "s2.log").open("ab") as log:
        return warm.popen(
            [sys.executable, "-m", "starlink_nodeagent", *words, "--address", "127.0.0.1"], stdout=log, stderr=log
        )


def plan(starlink: Starlink, *tasks: dict[str, Any], words: tuple[str, ...] = (), status: int = 0) -> str:
    done = starlink.cli("plan", "-f", "-", *words, stdin="\n---\n".join(map(json.dumps, tasks)), check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def ready_on(starlink: Starlink, name: str) -> dict[str, int]:
    """How many ready instances of a task each server has."""
    found = starlink.items("assignments", "-l", f"starlink.dev/task={name}")
    return Counter(a["spec"]["server"] for a in found if a.get("status", {}).get("ready"))


def test_tasks_of_one_file_are_planned_together(two: Starlink) -> None:
    room = quantity.millicores(two.get("server", "s1")["status"]["allocatable"]["cpu"])
    cpu = f"{room * 6 // 10}m"
    shown = plan(
        two,
        task("later", cpu=cpu, replicas=2),
        task("urgent", cpu=cpu, placement={"priority": 5}),
        status=2,
    )
    later, urgent = shown.split("\n\n")
    assert "1 to create, 1 without a place" in later and "short of cpu" in later
    assert urgent.startswith("task default/urgent (priority 5): 1 to create")
    assert two.items("tasks") == []


def test_a_plan_as_data_says_what_its_text_says(two: Starlink) -> None:
    room = quantity.millicores(two.get("server", "s1")["status"]["allocatable"]["cpu"])
    wanted = task("later", cpu=f"{room * 6 // 10}m", replicas=3)
    text = plan(two, wanted, status=2)
    data = json.loads(plan(two, wanted, words=("-o", "json"), status=2))
    (found,) = data["tasks"]
    assert found["unplaced"] == 1 and f"1 can't be placed: {found['why']['message']}" in text
    assert [row["server"] for row in found["rows"]] == ["s1", "s2"]
    assert [refusal["code"] for refusal in found["why"]["refusals"]] == ["NothingFits"]
    assert data["hash"] == hash_of(text) and data["invalid"] == data["notes"] == []
    assert [(one["kind"], one["name"], one["isNew"]) for one in data["changes"]] == [("Task", "later", True)]
    more = ("--add", "arch=amd64,cpu=64,memory=64Gi", "-o", "yaml")
    added = yaml.safe_load(plan(two, wanted, words=more))
    assert added["added"] == ["new-amd64-1"] and [one["still"] for one in added["outcomes"]] == [0]


def test_a_change_of_what_runs_does_what_the_plan_says(two: Starlink) -> None:
    cordon(two, "s2", True)
    two.apply(task("web", replicas=3))
    eventually(lambda: ready_on(two, "web") == {"s1": 3}, "all are on s1")
    cordon(two, "s2", False)
    cordon(two, "s1", True)
    moved = task("web", replicas=3, cpu="20m")
    shown = plan(two, moved)
    assert "task default/web: 3 to replace\n" in shown and "0-2    replace  s1 -> s2  its template changes" in shown
    two.apply(moved)
    eventually(lambda: ready_on(two, "web") == {"s2": 3}, "all are on s2")
    eventually(lambda: two.get("task", "web")["status"].get("available") == 3, "none is too young to be spared")
    cordon(two, "s1", False)

    huge = task("web", replicas=3, cpu="100000")
    shown = plan(two, huge, status=2)
    assert "task default/web: 1 to stop, 2 kept, 1 without a place" in shown
    assert "2      stop    s2      its template changes, and no server takes it" in shown
    assert "1 can't be placed: 0 of 2 servers fit 1 more instance" in shown
    assert "2 stay as they are: update.maxUnavailable is 1, and 1 of 3 instances is missing" in shown
    two.apply(huge)
    eventually(lambda: two.condition("task", "web", "Scheduled") == "False", "one of it has no place")
    eventually(lambda: ready_on(two, "web") == {"s2": 2}, "the first went, the others stay")

    def slots() -> set[str]:
        return {a["spec"]["slot"] for a in two.items("assignments", "-l", "starlink.dev/task=web")}

    eventually(lambda: slots() == {"0", "1"}, "what has stopped is forgotten")
    two.cli("delete", "task", "web")


def test_what_servers_would_help(two: Starlink) -> None:
    two.apply(pool("edge"))
    wanted = task("risc", placement={"architectures": ["riscv64"], "pool": "edge"}, replicas=2)
    add = ("--pool", "edge", "--add")
    shown = plan(two, wanted, words=(*add, "arch=riscv64,cpu=1,memory=1Gi"))
    assert "default/risc  2        2          0              new-riscv64-1" in shown
    shown = plan(two, wanted, words=(*add, "arch=amd64,cpu=1,memory=1Gi"), status=2)
    assert "2 still missing" in shown and "none of them" in shown
    assert {server["metadata"]["name"] for server in two.items("servers")} == {"s1", "s2"}
    done = two.cli("plan", "--add", "arch=amd64,cpu=1", check=False)
    assert done.returncode == 2 and "memory is missing; write such as arch=arm64" in done.stderr
    done = two.cli("plan", "--pool", "egde", "--add", "arch=amd64,cpu=1,memory=1Gi", check=False)
    assert done.returncode == 1 and "--pool egde: there is no such pool; there are: edge" in done.stderr
    two.cli("delete", "pool", "edge")


def server(name: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"zone": "za"}}
    return {"apiVersion": "starlink.dev/v1alpha1", "kind": "Server", "metadata": metadata, "spec": spec}


def test_the_pools_and_servers_of_the_file_are_planned_with(two: Starlink) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "far"}}
    new = pool("new", selector={"zone": "za"}, quota={"assignments": 1})
    wanted = task("web", replicas=2, placement={"pool": "new"})
    given = (namespace, server("s2"), server("s9"), new, wanted, task("there", "far"))
    done = two.cli("plan", "-f", "-", stdin="\n---\n".join(map(json.dumps, given)), check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr == (
        "not looked at for where instances go: Namespace far; Server s9, of which no agent is seen\n"
    )
    web, there = done.stdout.split("\n\n")
    assert "1 to create, 1 without a place" in web and "  0      create  s2 " in web and "quota.assignments" in web
    assert there.startswith("task far/there: 1 to create")
    assert "namespace far is not there yet: judged as written, not checked by the server" in there
    assert not two.items("pools") and not two.items("tasks", "-A")

    held = (server("s2", unschedulable=True), task("web", placement={"serverSelector": {"zone": "za"}}))
    assert "1 can't be placed" in plan(two, *held, status=2)


def test_a_file_without_tasks_says_what_it_has(two: Starlink) -> None:
    text = json.dumps(pool("new"))
    done = two.cli("plan", "-f", "-", stdin=text)
    assert done.stderr.startswith(
        "standard input: no Task in it, but 1 Pool; where instances go is shown of the Tasks "
    )
    assert done.stdout.startswith("changes:\n  pool new is new\nplan ")
    wrong = {**task("web"), "apiVersion": "starlink.dev/v1"}
    for words in ("plan", "apply", "delete"):
        done = two.cli(words, "-f", "-", stdin=json.dumps(wrong), check=False)
        assert done.returncode == 1 and done.stderr == (
            "Error: standard input, document 1: apiVersion 'starlink.dev/v1', kind 'Task' is not served; "
            "write apiVersion: starlink.dev/v1alpha1 and kind: Task\n"
        )
    done = two.cli("plan", "-f", "-", stdin=json.dumps({**task("web"), "spec": 5}), check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: standard input, document 1:\n  spec: must be of type object")
    done = two.cli("plan", "--pool", "", "--add", "arch=amd64,cpu=1,memory=1Gi", check=False)
    assert done.returncode == 2 and "'' is no pool; name one, or leave --pool away" in done.stderr


def hash_of(shown: str) -> str:
    found = re.search(
        r"^plan ([0-9a-f.]+); to apply this and nothing else:\n  starlink --data-dir \S+ apply -f - --plan \1$",
        shown,
        re.M,
    )
    assert found, shown
    return found[1]


def write_status(starlink: Starlink, name: str, status: dict[str, Any]) -> None:
    """As a controller does it."""

    async def write() -> None:
        async with Client(load(starlink.kubeconfig)) as client:
            before = (await client.get(TASK, name, "default"))["metadata"]["resourceVersion"]
            after = await client.patch(TASK, name, {"status": status}, "default", subresource="status")
            assert after["metadata"]["resourceVersion"] != before

    asyncio.run(write())


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def apply(starlink: Starlink, *objects: dict[str, Any], hash_: str) -> "subprocess.CompletedProcess[str]":
    given = "\n---\n".join(map(json.dumps, objects))
    return starlink.cli("apply", "-f", "-", "--plan", hash_, stdin=given, check=False)


def test_a_plan_shows_fields_and_its_hash_applies_them_alone(two: Starlink) -> None:
    before = (task("web", replicas=1), server("s2"), config_map("a", level="info"))
    two.apply(*before)
    eventually(lambda: ready_on(two, "web"), "it runs")
    wanted = (task("web", replicas=2), server("s2"), config_map("a", level="debug"), config_map("b"))
    shown = plan(two, *wanted)
    told = shown[shown.index("changes:") :].splitlines()[1:-2]
    assert told == [
        "  task default/web:",
        "    spec.replicas: 1 → 2",
        "  server s2: nothing",
        "  configmap default/a:",
        '    data.level: "info" → "debug"',
        "  configmap default/b is new",
    ]
    hash_ = hash_of(shown)
    write_status(two, "web", {"revision": "another"})
    assert hash_of(plan(two, *wanted)) == hash_, "statuses are not in it"

    done = apply(two, *wanted[:3], hash_=hash_)
    assert done.returncode == 1 and "the plan was of 4 objects, and the files hold 3" in done.stderr
    done = apply(two, task("web", replicas=3), *wanted[1:], hash_=hash_)
    assert done.returncode == 1 and done.stdout == ""
    assert (
        "  task default/web: the file declares another than was planned (standard input, document 1)\n" in done.stderr
    )
    assert two.get("task", "web")["spec"]["replicas"] == 1

    done = apply(two, *wanted, hash_=hash_)
    assert done.returncode == 0, done.stderr
    assert "task default/web configured" in done.stdout and two.get("task", "web")["spec"]["replicas"] == 2
    done = apply(two, *wanted, hash_=hash_)
    assert done.returncode == 1 and done.stderr == (
        "Error: nothing is applied, for this is not what was planned:\n"
        "  task default/web: it was changed since\n"
        "  configmap default/a: it was changed since\n"
        "  configmap default/b: it was made since\n"
        "plan it again\n"
    )
    hash_ = hash_of(plan(two, *wanted))
    for kind, name in (("task", "web"), ("configmap", "a"), ("configmap", "b")):
        two.cli("delete", kind, name)
    done = apply(two, *wanted, hash_=hash_)
    assert done.returncode == 1 and "  configmap default/b: it was deleted since\n" in done.stderr
    assert not two.items("tasks")
    done = apply(two, *wanted, hash_="abc")
    assert done.returncode == 2 and "'abc' is no hash of a plan" in done.stderr


def test_a_plan_shows_no_secret(two: Starlink) -> None:
    def secret(value: str) -> dict[str, Any]:
        meta = {"name": "keys", "annotations": {"note": value}}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"a": value, "b": "same"}}

    two.apply(secret("hunter1"))
    shown = plan(two, secret("hunter2"))
    assert "  secret default/keys:\n    metadata.annotations.note: changes (its value is not shown)\n" in shown
    assert "    data.a: changes (its value is not shown)\n" in shown and "data.b" not in shown
    encoded = [base64.b64encode(value.encode()).decode() for value in ("hunter1", "hunter2")]
    assert not any(value in shown for value in ("hunter", *encoded))
    two.cli("delete", "secret", "keys")


def test_what_a_scaled_task_keeps_is_what_apply_keeps(two: Starlink) -> None:
    declared = task("web")
    two.apply(declared)
    two.apply({**declared, "spec": {**declared["spec"], "replicas": 2}})
    shown = plan(two, {**declared, "spec": {**declared["spec"], "replicas": 2}})
    assert "1 to create" in shown or "2 kept" in shown
    eventually(lambda: sum(ready_on(two, "web").values()) == 2, "two run")
    assert "1 to stop, 1 kept" in plan(two, declared)
    two.cli("delete", "task", "web")


# For one who may read little


def rights(namespace: str) -> list[dict[str, Any]]:
    """A ServiceAccount that may read its own namespace's tasks, and the pools."""
    account = {"kind": "ServiceAccount", "name": "reader", "namespace": namespace}

    def rule(resource: str) -> dict[str, Any]:
        return {"apiGroups": ["starlink.dev"], "resources": [resource], "verbs": ["get", "list", "watch"]}

    def made(kind: str, name: str, in_namespace: bool, **body: Any) -> dict[str, Any]:
        metadata = {"name": name, **({"namespace": namespace} if in_namespace else {})}
        return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, **body}

    def ref(kind: str, name: str) -> dict[str, Any]:
        return {"subjects": [account], "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name}}

    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader", "namespace": namespace}},
        made("Role", "tasks", True, rules=[rule("tasks")]),
        made("RoleBinding", "tasks", True, **ref("Role", "tasks")),
        made("ClusterRole", "pools", False, rules=[rule("pools")]),
        made("ClusterRoleBinding", "pools", False, **ref("ClusterRole", "pools")),
    ]


def kubeconfig_of(starlink: Starlink, namespace: str, account: str) -> Path:
    async def token() -> Config:
        async with Client(load(starlink.kubeconfig)) as client:
            given, _ = await client.request_token(namespace, account, 3600)
            return Config(client.config.server, client.config.ca, token=given)

    path = starlink.folder / f"{account}.kubeconfig"
    path.write_text(render(asyncio.run(token()), account))
    path.chmod(0o600)
    return path


def test_one_who_may_read_tasks_and_pools_alone(two: Starlink) -> None:
    two.apply(*rights("team"), pool("edge", quota={"cpu": "500m", "assignments": 3}))
    two.cli("pool", "move", "s1", "edge")
    two.apply(task("there", "team", "100m", replicas=1, placement={"pool": "edge"}))
    eventually(lambda: two.get("pool", "edge").get("status", {}).get("assignments") == 1, "the pool counts it")
    as_reader = ("--kubeconfig", str(kubeconfig_of(two, "team", "reader")))
    assert "forbidden" in two.cli(*as_reader, "get", "servers", check=False).stderr.lower()

    wanted = [
        task("there", "team", "100m", replicas=2, placement={"pool": "edge"}),
        task("more", "team", "100m", replicas=2, placement={"pool": "edge"}),
    ]
    text = "\n---\n".join(map(json.dumps, wanted))
    done = two.cli(*as_reader, "plan", "-n", "team", "-f", "-", stdin=text, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "task team/more: 2 of 2 instances to place fit the headroom" in done.stdout
    assert "pool edge: at most 2 (2 assignments left)" in done.stdout
    assert "task team/there: 0 of 1 instance to place" in done.stdout
    assert "\nservers can't be read by you: judged by the pools' headroom" in done.stdout
    assert "you may not write tasks in team: judged as written" in done.stdout
    assert "task team/there:\n    spec.replicas: 1 → 2\n" in done.stdout and "\nplan " in done.stdout

    done = two.cli(*as_reader, "plan", "-n", "team", "-f", "-", stdin=json.dumps(task("any", "team", replicas=9)))
    assert "  servers in no pool are in no pool's headroom: they may take more\n" in done.stdout

    done = two.cli(*as_reader, "plan", "--add", "arch=amd64,cpu=1,memory=1Gi", check=False)
    assert done.returncode == 1 and "--add needs to read servers, which you may not" in done.stderr
    two.cli("delete", "task", "there", "-n", "team")
    two.cli("delete", "pool", "edge")
    two.apply(pool("none"))
    two.cli("pool", "move", "s1", "none")


# Servers to another pool


def test_servers_move_and_what_must_moves_with_them(two: Starlink) -> None:
    two.apply(pool("lab"), pool("hall"))
    two.cli("pool", "move", "s1", "s2", "lab")
    two.apply(task("web", replicas=2, placement={"pool": "lab"}))
    eventually(lambda: ready_on(two, "web") == {"s1": 1, "s2": 1}, "one instance on each")

    done = two.cli("pool", "move", "s2", "hall", "--dry-run")
    assert "pool hall gets s2 (from pool lab): 1 has to leave" in done.stdout
    assert two.get("server", "s2")["spec"]["pool"] == "lab"
    done = two.cli("pool", "move", "s2", "hall")
    assert done.stdout.endswith("server s2 moved to pool hall\n")
    eventually(lambda: ready_on(two, "web") == {"s1": 2}, "both are on s1")
    assert "s2 is in pool hall already" in two.cli("pool", "move", "s2", "hall").stdout

    done = two.cli("pool", "move", "s1", "hall", check=False)
    assert done.returncode == 2 and "nowhere" in done.stdout and "2 of them without a place" in done.stdout
    assert "nothing is moved; --force moves all the same" in done.stderr
    assert two.get("server", "s1")["spec"]["pool"] == "lab"
    done = two.cli("pool", "move", "s1", "s9", "hall", check=False)
    assert done.returncode == 1 and "server 's9' does not exist; there are: s1, s2" in done.stderr
    done = two.cli("pool", "move", "s1", "hell", check=False)
    assert done.returncode == 1 and "pool 'hell' does not exist; there are:" in done.stderr
    two.cli("delete", "task", "web")


# Better places


def cordon(starlink: Starlink, name: str, held: bool) -> None:
    server = {"apiVersion": "starlink.dev/v1alpha1", "kind": "Server", "metadata": {"name": name}}
    starlink.apply({**server, "spec": {"unschedulable": held}})


def uneven(starlink: Starlink, name: str, replicas: int) -> None:
    """A task that is on s1 as a whole, with s2 free again."""
    cordon(starlink, "s2", True)
    starlink.apply(task(name, replicas=replicas))
    eventually(lambda: ready_on(starlink, name) == {"s1": replicas}, "all are on s1")
    cordon(starlink, "s2", False)


def test_rebalance_moves_what_pays(two: Starlink) -> None:
    assert two.cli("rebalance").stdout == "no move pays\n"
    uneven(two, "web", 4)
    done = two.cli("rebalance", "--dry-run")
    assert len(done.stdout.splitlines()) == 3, "all that follow one another, also where one may go at a time"
    assert ready_on(two, "web") == {"s1": 4}
    done = two.cli("rebalance", stdin="n\n", check=False)
    assert done.returncode == 1 and "Move, at most 10 a minute" in done.stdout
    assert ready_on(two, "web") == {"s1": 4}
    done = two.cli("rebalance", "--yes")
    assert done.stdout.endswith("2 moved\n") and done.stdout.count("ready on s2") == 2
    assert ready_on(two, "web") == {"s1": 2, "s2": 2}
    assert two.cli("rebalance").stdout == "no move pays\n"
    two.cli("delete", "task", "web")


def test_ctrl_c_stops_between_moves(two: Starlink) -> None:
    uneven(two, "api", 4)
    words = ("--data-dir", str(two.data), "rebalance", "--yes", "--most", "1")
    env = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"} | {"PYTHONUNBUFFERED": "1"}
    running = subprocess.Popen(
        [sys.executable, "-m", "starlink.cli", *words],
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert running.stdout is not None
        said = ""
        while "ready on s2" not in said:
            line = running.stdout.readline()
            assert line, f"it ended: {said}{running.stderr.read() if running.stderr else ''}"
            said += line
        running.send_signal(signal.SIGINT)
        rest, errors = running.communicate(timeout=30)
    finally:
        running.kill()
    assert (running.returncode, rest) == (0, "1 moved\n") and "stopping after this move" in errors
    assert ready_on(two, "api") == {"s1": 3, "s2": 1}
    two.cli("delete", "task", "api")
