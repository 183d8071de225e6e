"""A real kubectl against a real standalone StarLink, as a newcomer would use it."""

import json
import re
from typing import Any

import pytest
from tests.conftest import ROOT, Kubectl, Starlink, eventually

WEB = """
apiVersion: starlink.dev/v1alpha1
kind: Task
metadata: {name: web}
spec:
  replicas: 2
  template:
    command: [sh, -c, 'exec sleep 100000']
"""


@pytest.fixture(scope="module")
def web(kubectl: Kubectl, starlink: Starlink) -> str:
    assert "task.starlink.dev/web created" in kubectl("apply", "-f", "-", stdin=WEB).stdout
    kubectl("wait", "task/web", "--for=condition=Ready", "--timeout=60s")
    return "web"


def spec(kubectl: Kubectl, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kubectl("get", "task", name, "-o", "json").stdout)["spec"]
    return found


def test_version_and_resources(kubectl: Kubectl) -> None:
    assert "v1.32.0+starlink-" in kubectl("version").stdout
    listed = kubectl("api-resources").stdout
    for word in ("tasks", "slt", "servers", "pools", "assignments", "leases", "customresourcedefinitions"):
        assert word in listed


def test_columns(kubectl: Kubectl, web: str) -> None:
    header, row = kubectl("get", "tasks", web).stdout.splitlines()
    assert header.split() == ["NAME", "TYPE", "DESIRED", "READY", "PHASE", "REASON", "AGE"]
    assert row.split()[:6] == ["web", "Service", "2", "2", "Running", "AllReady"]
    assert "AgentHeard" in kubectl("get", "servers").stdout
    assert "MESSAGE" in kubectl("get", "slt", "-o", "wide").stdout
    assert "2 of 2 instances are ready" in kubectl("get", "starlink", "-A", "-o", "wide").stdout


def test_unchanged_apply(kubectl: Kubectl, web: str) -> None:
    assert "web unchanged" in kubectl("apply", "-f", "-", stdin=WEB).stdout


def test_watch(kubectl: Kubectl, web: str) -> None:
    watching = kubectl.popen("get", "task", web, "-w")
    assert watching.stdout is not None
    try:
        assert "NAME" in watching.stdout.readline()
        kubectl("scale", "task", web, "--replicas=3")
        while "3         3" not in (line := watching.stdout.readline()):
            assert line, "the watch ended"
        kubectl("scale", "task", web, "--replicas=2")
    finally:
        watching.terminate()
        watching.wait()


def test_describe_and_events(kubectl: Kubectl, web: str) -> None:
    def settled() -> str:
        told = kubectl("describe", "task", web).stdout
        return told if "AllReady" in told else ""

    assert "Placed" in eventually(settled, "the task, which was just scaled, is ready again")
    assert "placed" in kubectl("events", "--for", f"task/{web}").stdout


def test_all(kubectl: Kubectl, web: str) -> None:
    found = kubectl("get", "all", "-o", "name").stdout.split()
    assert f"task.starlink.dev/{web}" in found
    assert any(name.startswith("assignment.starlink.dev/web-") for name in found)


def test_explain(kubectl: Kubectl) -> None:
    assert "How many instances of a Service run" in kubectl("explain", "task.spec.replicas").stdout
    assert "successThreshold" in kubectl("explain", "task.spec.template.probes", "--recursive").stdout


def test_edit_patch_label(kubectl: Kubectl, web: str) -> None:
    kubectl("edit", "task", web, env={"KUBE_EDITOR": "sed -i 's/replicas: 2/replicas: 3/'"})
    assert spec(kubectl, web)["replicas"] == 3
    kubectl("patch", "task", web, "--type=merge", "-p", '{"spec":{"replicas":2}}')
    assert spec(kubectl, web)["replicas"] == 2
    kubectl("label", "task", web, "tier=front")
    assert "web" in kubectl("get", "tasks", "-l", "tier=front", "-o", "name").stdout
    assert "web" not in kubectl("get", "tasks", "-l", "tier!=front", "-o", "name").stdout


def test_delete_waits_and_stops_everything(kubectl: Kubectl, starlink: Starlink) -> None:
    kubectl("apply", "-f", "-", stdin=WEB.replace("name: web", "name: gone"))
    kubectl("wait", "task/gone", "--for=condition=Ready", "--timeout=60s")
    uids = {a["metadata"]["uid"] for a in starlink.items("assignments", "-l", "starlink.dev/task=gone")}
    kubectl("delete", "task", "gone", "--cascade=foreground")
    assert "gone" not in kubectl("get", "assignments", "-o", "name").stdout
    left = {run.partition("/")[0] for run in starlink.processes().values()}
    assert len(uids) == 2 and not uids & left


def test_namespace_goes_with_its_tasks(kubectl: Kubectl, starlink: Starlink) -> None:
    manifest = json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    kubectl("apply", "-f", "-", stdin=manifest)
    kubectl("apply", "-n", "team", "-f", "-", stdin=WEB)
    kubectl("wait", "-n", "team", "task/web", "--for=condition=Ready", "--timeout=60s")
    kubectl("delete", "namespace", "team", "--timeout=60s")
    assert "team" not in kubectl("get", "namespaces", "-o", "name").stdout
    refused = kubectl("apply", "-n", "team", "-f", "-", stdin=WEB, check=False)
    assert 'namespaces "team" not found' in refused.stderr


def test_every_example_is_accepted(kubectl: Kubectl, starlink: Starlink) -> None:
    files = sorted((ROOT / "examples").rglob("*.yaml"))
    assert len(files) >= 4
    kubectl("apply", "--dry-run=server", "--validate=strict", *(f"--filename={file}" for file in files))


TEMPLATE = "template: {command: [sleep, '1']}"
BAD = {
    "wrong type": ("{replicas: many, %s}", "spec.replicas", '"many"'),
    "negative": ("{replicas: -1, %s}", "spec.replicas", "greater than or equal to 0"),
    "unknown field": ("{replica: 1, %s}", 'unknown field "spec.replica"', "replica"),
    "architecture": ("{placement: {architectures: [sparc]}, %s}", "spec.placement.architectures[0]", '"amd64", "arm64", "riscv64"'),
    "quantity": ("{template: {command: [x], resources: {requests: {cpu: lots}}}}", "spec.template.resources.requests.cpu", '"lots"'),
    "replicas on a batch": ("{type: Batch, replicas: 2, %s}", "spec.replicas", "use completions and parallelism"),
    "duplicate names": ("{template: {command: [x], ports: [{name: a}, {name: a}]}}", "spec.template.ports[1]", "Duplicate value"),
    "duplicate ports": (
        "{template: {command: [x], ports: [{name: a, port: 80}, {name: b, port: 80}]}}", "spec.template.ports", "given twice",
    ),
    "no command": ("{template: {}}", "spec.template", "give a command"),
    "impatient": ("{placement: {lostAfter: 1s}, %s}", "spec.placement.lostAfter", "at least 12s"),
    "two probes": (
        "{template: {command: [x], probes: {liveness: {exec: {command: [x]}, tcpSocket: {port: 1}}}}}",
        "spec.template.probes.liveness", "exactly one",
    ),
}  # fmt: skip


@pytest.mark.parametrize("validate", ["strict", "false"])
def test_bad_manifests_are_refused(kubectl: Kubectl, validate: str) -> None:
    cases = [case for case in BAD if validate == "strict" or case != "unknown field"]  # which one may ask not to mind
    head = "apiVersion: starlink.dev/v1alpha1\nkind: Task\nmetadata: {name: bad}\nspec: "
    text = "\n---\n".join(head + BAD[case][0].replace("%s", TEMPLATE) for case in cases)
    done = kubectl("apply", f"--validate={validate}", "-f", "-", stdin=text, check=False)
    assert done.returncode != 0 and done.stdout == ""
    refusals = re.findall(r"^(?:The Task|Error from server|error: ).*\n(?:\*.*\n)*", done.stderr, re.MULTILINE)
    assert "".join(refusals) == done.stderr
    for case, refusal in zip(cases, refusals, strict=True):
        _, field, right = BAD[case]
        assert field in refusal and (right in refusal or case == "wrong type"), refusal
    assert "bad" not in kubectl("get", "tasks", "-o", "name").stdout


def test_a_type_does_not_change(kubectl: Kubectl, web: str) -> None:
    done = kubectl("patch", "task", web, "--type=merge", "-p", '{"spec":{"type":"Batch","replicas":null}}', check=False)
    assert "spec.type" in done.stderr and "create it anew" in done.stderr


def test_a_second_up_is_refused(starlink: Starlink) -> None:
    done = starlink.cli("up", "--detach", check=False)
    assert done.returncode != 0
    assert (
        f"StarLink already runs on {starlink.data}" in done.stderr
        and f"starlink --data-dir {starlink.data} down" in done.stderr
    )


def test_down_leaves_tasks_and_up_goes_on(starlink: Starlink, kubectl: Kubectl, web: str) -> None:
    before = starlink.processes()
    assert len(before) == 4  # two instances, a supervisor each
    assert "tasks go on running" in starlink.cli("down").stdout
    assert starlink.processes() == before
    starlink.up()
    eventually(lambda: starlink.condition("task", "web", "Ready") == "True", "the task is ready again")
    assert starlink.processes() == before
    starlink.cli("down", "--tasks")
    assert starlink.processes() == {}
    starlink.up()
    eventually(lambda: len(starlink.processes()) == 4, "the instances run again")
    restarts = [a["status"].get("restarts", 0) for a in starlink.items("assignments", "-l", "starlink.dev/task=web")]
    assert restarts == [0, 0]
