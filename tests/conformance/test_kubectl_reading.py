"""kubectl, unmodified: reading, waiting and asking.

https://kubernetes.io/docs/reference/kubectl/
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.conformance.clients import newest, widgets
from tests.conformance.conftest import MERGE, Http, Installed
from tests.conftest import Kubectl

__all__ = ["newest", "widgets"]

K = Callable[..., str]


@pytest.fixture
def k(newest: Kubectl, namespace: str) -> K:
    """`k(*words, stdin=None, check=True)`: kubectl in the test's namespace, what it printed."""

    def run(*words: str, **options: Any) -> str:
        done = newest("--namespace", namespace, *words, **options)
        return done.stdout if options.get("check", True) else f"{done.returncode} {done.stdout}{done.stderr}"

    return run


@pytest.fixture
def three(http: Http, widgets: Installed, namespace: str) -> str:
    """The plural of three widgets a, b and c, of size 3, 2 and 1."""
    for number, name in enumerate("cba", 1):
        body = widgets.obj(name, metadata={"labels": {"n": str(number)}}, spec={"size": number, "replicas": 1})
        http.post(widgets.path(namespace), body).expect(201)
    return widgets.plural


@pytest.fixture
def status(http: Http, widgets: Installed, namespace: str) -> Callable[..., None]:
    """`status(name, **fields)`: writes a widget's status."""

    def write(name: str, **fields: Any) -> None:
        http.patch(widgets.path(namespace, name, "status"), {"status": fields}, MERGE).expect(200)

    return write


def test_columns(k: K, three: str) -> None:
    header, *rows = [line.split() for line in k("get", three).splitlines()]
    assert header == ["NAME", "SIZE", "AGE"]
    assert [row[:2] for row in rows] == [["a", "3"], ["b", "2"], ["c", "1"]]
    wide = [line.split() for line in k("get", three, "-o", "wide").splitlines()]
    assert wide[0] == ["NAME", "SIZE", "COLOUR", "AGE"] and wide[1][2] == "red"
    assert k("get", three, "--show-labels", "--no-headers", "-l", "n=1").split()[-1] == "n=1"
    assert k("get", three, "-L", "n", "a").splitlines()[0].split()[-1] == "N"
    assert k("get", "configmaps", "none", "--ignore-not-found") == ""
    assert k("get", "configmaps", "-l", "none=here", check=False).startswith("0 No resources found in")


def test_output_formats(k: K, three: str) -> None:
    assert "size: 3" in k("get", f"{three}/a", "-o", "yaml")
    assert json.loads(k("get", f"{three}/a", "-o", "json"))["spec"]["size"] == 3
    assert k("get", three, "-o", "jsonpath={.items[*].metadata.name}") == "a b c"
    assert k("get", three, "-o", "custom-columns=N:.metadata.name,S:.spec.size", "--no-headers").split() == ["a", "3", "b", "2", "c", "1"]  # fmt: skip
    assert k("get", three, "-o", "go-template={{len .items}}") == "3"
    assert [line.rpartition("/")[2] for line in k("get", three, "-o", "name").split()] == ["a", "b", "c"]
    by_size = k("get", three, "--sort-by=.spec.size", "--no-headers").splitlines()
    assert [line.split()[0] for line in by_size] == ["c", "b", "a"]


def test_selecting(k: K, three: str) -> None:
    def names(*words: str) -> list[str]:
        return k("get", three, "-o", "jsonpath={.items[*].metadata.name}", *words).split()

    assert names("-l", "n in (1,2)") == ["b", "c"]
    assert names("-l", "n!=1,n") == ["a", "b"]
    assert names("--field-selector", "metadata.name=b") == ["b"]
    assert names("--chunk-size=1") == ["a", "b", "c"]
    assert set(names("-A")) >= {"a", "b", "c"}
    assert "field label not supported: spec.nothing" in k(
        "get", three, "--field-selector", "spec.nothing=1", check=False
    )


def test_not_found(k: K, three: str) -> None:
    assert 'Error from server (NotFound): configmaps "x" not found' in k("get", "configmap", "x", check=False)
    assert f'{three}.conformance.example.com "x" not found' in k("get", three, "x", check=False)
    assert 'the server doesn\'t have a resource type "nothings"' in k("get", "nothings", check=False)


def test_short_names_and_categories(k: K, three: str, widgets: Installed) -> None:
    suffix = widgets.plural[-8:]
    assert k("get", f"wd{suffix}", "-o", "name") == k("get", three, "-o", "name")
    assert k("get", widgets.kind, "-o", "name") == k("get", three, "-o", "name")
    found = k("get", "all", "-o", "name").split()
    assert [one.rpartition("/")[2] for one in found if widgets.group in one] == ["a", "b", "c"]


@pytest.fixture
def watching(newest: Kubectl, namespace: str) -> Iterator[Callable[..., Any]]:
    """`watching(*words)`: a kubectl that goes on, its output to be read line by line."""
    started: list[Any] = []

    def start(*words: str) -> Any:
        started.append(newest.popen("--namespace", namespace, *words))
        return started[-1].stdout

    yield start
    for one in started:
        one.terminate()
        one.wait()
        one.stdout.close()


def test_watching(k: K, http: Http, three: str, widgets: Installed, namespace: str, watching: Any) -> None:
    lines = watching("get", three, "a", "-w")
    assert lines.readline().split() == ["NAME", "SIZE", "AGE"]
    assert lines.readline().split()[:2] == ["a", "3"]
    http.patch(widgets.path(namespace, "a"), {"spec": {"size": 9}}).expect(200)
    assert lines.readline().split()[:2] == ["a", "9"]
    events = watching(
        "get", three, "-w", "--output-watch-events", "-o", "jsonpath={.type} {.object.metadata.name}{'\\n'}"
    )
    assert [events.readline().split() for _ in range(3)] == [["ADDED", "a"], ["ADDED", "b"], ["ADDED", "c"]]
    http.delete(widgets.path(namespace, "b")).expect(200)
    assert events.readline().split() == ["DELETED", "b"]


def test_waiting(
    k: K, http: Http, three: str, widgets: Installed, namespace: str, newest: Kubectl, status: Any
) -> None:
    status("a", phase="Done", conditions=[{"type": "Ready", "status": "True"}])
    assert "condition met" in k("wait", f"{three}/a", "--for=condition=Ready", "--timeout=20s")
    assert "condition met" in k("wait", f"{three}/a", "--for=jsonpath={.status.phase}=Done", "--timeout=20s")
    late = k("wait", f"{three}/b", "--for=condition=Ready", "--timeout=1s", check=False)
    assert late.startswith("1 ") and "timed out waiting for the condition" in late
    waiting = newest.popen("-n", namespace, "wait", f"{three}/b", "--for=condition=Ready", "--timeout=30s")
    status("b", conditions=[{"type": "Ready", "status": "True"}])
    assert "condition met" in waiting.communicate(timeout=40)[0]
    going = newest.popen("-n", namespace, "wait", f"{three}/c", "--for=delete", "--timeout=30s")
    http.delete(widgets.path(namespace, "c")).expect(200)
    going.communicate(timeout=40)
    assert going.returncode == 0


def test_describe(k: K, three: str, status: Any) -> None:
    status("a", phase="Ready")
    described = k("describe", three, "a")
    for words in ("Name:", "Size:      3", "Phase:  Ready", "Events:"):
        assert words in described
    k("create", "secret", "generic", "s", "--from-literal=word=hush")
    assert "word:  4 bytes" in k("describe", "secret", "s")
    assert "Active" in k("describe", "namespace", "default")
    assert "cluster-admin" in k("describe", "clusterrolebinding", "cluster-admin")


def test_explain(k: K, widgets: Installed) -> None:
    own = k("explain", widgets.plural)
    assert "Widget is what the conformance tests turn." in own and f"KIND:       {widgets.kind}" in own
    field = k("explain", f"{widgets.plural}.spec.size")
    assert "FIELD: size <integer>" in field and "How large it is." in field
    assert "-required-" in own
    whole = k("explain", widgets.plural, "--recursive")
    assert ("replicas" in whole and "ENUM:" in k("explain", f"{widgets.plural}.spec.colour")) or "enum: " in whole
    assert "binaryData" in k("explain", "configmap") and "holderIdentity" in k("explain", "lease.spec")
    assert "matchLabels" in k("explain", "clusterrole.aggregationRule", "--recursive")
    assert 'field "nothing" does not exist' in k("explain", "configmap.nothing", check=False)


def test_events(k: K, http: Http, three: str, widgets: Installed, namespace: str) -> None:
    about = {"apiVersion": widgets.api_version, "kind": widgets.kind, "name": "a", "namespace": namespace}
    now = "2024-01-01T00:00:00Z"
    event = {
        "metadata": {"name": "a.1"}, "involvedObject": about, "reason": "Turned", "message": "it was turned",
        "type": "Normal", "firstTimestamp": now, "lastTimestamp": now, "count": 1, "source": {"component": "tests"},
    }  # fmt: skip
    http.post(f"/api/v1/namespaces/{namespace}/events", event).expect(201)
    assert "it was turned" in k("events", "--for", f"{three}.{widgets.group}/a")
    assert "it was turned" in k("get", "events", "--field-selector", "reason=Turned")
    assert "it was turned" not in k("get", "events", "--field-selector", "type!=Normal", check=False)
    assert "it was turned" in k("get", "events.events.k8s.io")


def test_asking_for_access(k: K, namespace: str) -> None:
    k("create", "serviceaccount", "robot")
    robot = f"system:serviceaccount:{namespace}:robot"
    assert k("auth", "can-i", "get", "secrets") == "yes\n"
    assert k("auth", "can-i", "get", "secrets", "--as", robot, check=False).startswith("1 no")
    assert k("auth", "can-i", "get", "/version", "--as", robot) == "yes\n"
    k("create", "role", "r", "--verb=get", "--resource=configmaps", "--resource-name=a")
    k("create", "rolebinding", "b", "--role=r", f"--serviceaccount={namespace}:robot")
    listed = k("auth", "can-i", "--list", "--as", robot)
    assert any(line.split() == ["configmaps", "[]", "[a]", "[get]"] for line in listed.splitlines()), listed
    assert robot in k("auth", "whoami", "--as", robot)
    refused = k("get", "configmaps", "--as", robot, check=False)
    assert f'Error from server (Forbidden): configmaps is forbidden: User "{robot}" cannot list resource "configmaps"' in refused  # fmt: skip


def test_discovery(k: K, widgets: Installed) -> None:
    row = next(line.split() for line in k("api-resources", "-o", "wide").splitlines() if line.startswith(f"{widgets.plural} "))  # fmt: skip
    assert row[1:5] == [f"wd{widgets.plural[-8:]}", widgets.api_version, "true", widgets.kind]
    assert set(row[5].split(",")) == {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
    assert row[6] == "all"
    versions = k("api-versions").split()
    assert {"v1", "rbac.authorization.k8s.io/v1", widgets.api_version} <= set(versions)
    assert "namespaces" in k("api-resources", "--namespaced=false", "-o", "name").split()
    assert "Server Version: v1." in k("version")
    assert k("get", "--raw", "/readyz") == "ok"


def test_custom_resources_with_many_namespaces(
    k: K, http: Http, three: str, widgets: Installed, namespace: str
) -> None:
    header, *rows = [line.split() for line in k("get", three, "-A").splitlines()]
    assert header[0] == "NAMESPACE" and namespace in {row[0] for row in rows}
