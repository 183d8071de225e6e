"""kubectl, unmodified: writing. What is said to the user is checked as the real server makes kubectl say it.

https://kubernetes.io/docs/reference/kubectl/
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.clients import every_kubectl, newest, unique, widgets
from tests.conformance.conftest import SECONDS, Http, Installed
from tests.conftest import Kubectl, eventually
from tests.tools import KUBECTL

__all__ = ["newest", "widgets"]

Done = "subprocess.CompletedProcess[str]"
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n"


@pytest.fixture
def k(newest: Kubectl, namespace: str) -> Callable[..., Any]:
    """`k(*words, stdin=None, check=True, env=None)`: kubectl in the test's namespace, what it printed."""

    def run(*words: str, **options: Any) -> str:
        done = newest("--namespace", namespace, *words, **options)
        return done.stdout if options.get("check", True) else f"{done.returncode} {done.stdout}{done.stderr}"

    return run


@pytest.fixture
def widget(k: Any, widgets: Installed) -> str:
    """The name of a widget, as kubectl takes it."""
    body = widgets.obj("w", spec={"size": 1, "replicas": 1})
    k("create", "-f", "-", stdin=json.dumps(body))
    return f"{widgets.plural}/w"


def read(k: Any, *words: str) -> Any:
    return json.loads(k("get", *words, "-o", "json"))


@pytest.mark.parametrize("minor", sorted(every_kubectl()) or ["none"])
def test_every_minor(
    http: Http, kubeconfig: Path, namespace: str, widgets: Installed, tmp_path: Path, minor: str
) -> None:  # fmt: skip
    """The ways of a day with each kubectl there is: each minor encodes, discovers and validates a little differently."""
    binary = every_kubectl().get(minor) or KUBECTL.path()
    kubectl = Kubectl(binary, kubeconfig, tmp_path)

    def k(*words: str, **options: Any) -> str:
        return kubectl("--namespace", namespace, *words, **options).stdout

    manifest = json.dumps(widgets.obj("w", spec={"size": 1, "replicas": 1}))
    full = f"{widgets.kind.lower()}.{widgets.group}/w"
    assert k("create", "configmap", "c", "--from-literal=x=1") == "configmap/c created\n"
    assert k("create", "secret", "generic", "s", "--from-literal=x=1") == "secret/s created\n"
    assert k("apply", "-f", "-", stdin=manifest) == f"{full} created\n"
    assert k("apply", "-f", "-", stdin=manifest) == f"{full} unchanged\n"
    assert "serverside-applied" in k("apply", "--server-side", "-f", "-", stdin=MAP)
    assert k("get", widgets.plural).splitlines()[0].split() == ["NAME", "SIZE", "AGE"]
    assert k("scale", f"{widgets.plural}/w", "--replicas=3") == f"{full} scaled\n"
    assert "Labels:" in k("describe", "configmap", "c")
    assert "How large it is." in k("explain", f"{widgets.plural}.spec.size")
    edited = k("edit", "configmap", "c", env={"KUBE_EDITOR": "sed -i s/x:/z:/"})
    assert edited == "configmap/c edited\n"
    assert http.get(f"/api/v1/namespaces/{namespace}/configmaps/c").expect(200)["data"] == {"z": "1"}
    assert "unknown field" in kubectl("-n", namespace, "apply", "-f", "-", stdin=manifest.replace("size", "sice"), check=False).stderr  # fmt: skip
    assert k("auth", "can-i", "create", "configmaps") == "yes\n"
    assert "configmaps" in k("api-resources", "--api-group=")
    assert 'configmap "c" deleted' in k("delete", "configmap", "c")
    assert "deleted" in k("delete", widgets.plural, "--all", "--cascade=foreground")


def test_create(k: Any, namespace: str, newest: Kubectl) -> None:
    assert k("create", "configmap", "c", "--from-literal=a=b") == "configmap/c created\n"
    assert k("create", "secret", "generic", "s", "--from-literal=a=b") == "secret/s created\n"
    assert k("create", "serviceaccount", "robot") == "serviceaccount/robot created\n"
    role = k("create", "role", "r", "--verb=get,list", "--resource=configmaps,leases.coordination.k8s.io")
    assert role == "role.rbac.authorization.k8s.io/r created\n"
    bound = k("create", "rolebinding", "b", "--role=r", f"--serviceaccount={namespace}:robot")
    assert bound == "rolebinding.rbac.authorization.k8s.io/b created\n"
    assert k("create", "token", "robot", "--duration=10m").count(".") == 2
    assert k("auth", "can-i", "list", "configmaps", "--as", f"system:serviceaccount:{namespace}:robot") == "yes\n"
    other = unique("conformance")
    assert newest("create", "namespace", other).stdout == f"namespace/{other} created\n"
    assert newest("delete", "namespace", other).stdout == f'namespace "{other}" deleted\n'
    again = k("create", "configmap", "c", check=False)
    assert 'Error from server (AlreadyExists): configmaps "c" already exists' in again or "failed to create configmap" in again  # fmt: skip


def test_client_side_apply(k: Any) -> None:
    assert k("apply", "-f", "-", stdin=MAP) == "configmap/a created\n"
    assert k("apply", "-f", "-", stdin=MAP) == "configmap/a unchanged\n"
    assert k("apply", "-f", "-", stdin=MAP.replace("x: '1'", "z: '2'")) == "configmap/a configured\n"
    assert read(k, "configmap", "a")["data"] == {"z": "2"}
    assert "z:" in k("apply", "view-last-applied", "configmap", "a")
    assert k("apply", "--dry-run=server", "-f", "-", stdin=MAP) == "configmap/a configured (server dry run)\n"
    assert read(k, "configmap", "a")["data"] == {"z": "2"}


def test_server_side_apply(k: Any) -> None:
    words = ("apply", "--server-side", "-f", "-")
    assert k(*words, stdin=MAP) == "configmap/a serverside-applied\n"
    other = k(*words, "--field-manager=other", stdin=MAP.replace("'1'", "'2'"), check=False)
    assert other.startswith("1 ") and 'conflict with "kubectl": .data.x' in other
    k(*words, "--field-manager=other", "--force-conflicts", stdin=MAP.replace("'1'", "'2'"))
    assert read(k, "configmap", "a")["data"] == {"x": "2"}


def test_from_client_side_to_server_side_apply(k: Any) -> None:
    k("apply", "-f", "-", stdin=MAP.replace("{x: '1'}", "{x: '1', z: '2'}"))
    k("apply", "--server-side", "-f", "-", stdin=MAP)
    assert read(k, "configmap", "a")["data"] == {"x": "1"}  # what is no longer wanted goes
    managers = read(k, "configmap", "a", "--show-managed-fields")["metadata"]["managedFields"]
    found = {(one["manager"], one["operation"]) for one in managers}
    assert ("kubectl", "Apply") in found and {operation for _, operation in found} == {"Apply"}


def test_diff(k: Any) -> None:
    k("apply", "-f", "-", stdin=MAP)
    assert k("diff", "-f", "-", stdin=MAP) == ""
    changed = k("diff", "-f", "-", stdin=MAP.replace("'1'", "'2'"), check=False)
    assert changed.startswith("1 ") and '-  x: "1"' in changed and '+  x: "2"' in changed
    assert "+  x:" in k("diff", "--server-side", "--force-conflicts", "-f", "-", stdin=MAP.replace("'1'", "'3'"), check=False)  # fmt: skip


def test_edit(k: Any, widget: str) -> None:
    assert "edited" in k("edit", widget, env={"KUBE_EDITOR": "sed -i 's/size: 1/size: 2/'"})
    assert read(k, widget)["spec"]["size"] == 2
    assert "Edit cancelled, no changes made." in k("edit", widget, env={"KUBE_EDITOR": "true"}, check=False)
    refused = k("edit", widget, env={"KUBE_EDITOR": "sed -i 's/size: 2/size: 99/'"}, check=False)
    assert refused.startswith("1 ") and "is invalid" in refused
    assert "edited" in k("edit", widget, "--subresource=status", env={"KUBE_EDITOR": "sed -i '$ a status: {phase: New}'"})  # fmt: skip
    assert read(k, widget)["status"]["phase"] == "New"


PATCHES = {
    "merge": '{"data":{"y":"2"}}',
    "strategic": '{"data":{"y":"2"}}',
    "json": '[{"op":"add","path":"/data/y","value":"2"}]',
}


@pytest.mark.parametrize("kind", PATCHES)
def test_patch(k: Any, kind: str) -> None:
    k("create", "-f", "-", stdin=MAP)
    assert k("patch", "configmap", "a", f"--type={kind}", "-p", PATCHES[kind]) == "configmap/a patched\n"
    assert k("patch", "configmap", "a", f"--type={kind}", "-p", '[]' if kind == "json" else "{}") == "configmap/a patched (no change)\n"  # fmt: skip
    assert read(k, "configmap", "a")["data"] == {"x": "1", "y": "2"}


def test_patch_of_a_custom_resource(k: Any, widget: str) -> None:
    refused = k("patch", widget, "-p", '{"spec":{"size":2}}', check=False)
    assert "UnsupportedMediaType" in refused or "the body of the request was in an unknown format" in refused
    k("patch", widget, "--type=merge", "-p", '{"spec":{"size":2}}')
    k("patch", widget, "--type=merge", "--subresource=status", "-p", '{"status":{"phase":"Ready"}}')
    found = read(k, widget)
    assert (found["spec"]["size"], found["status"]["phase"]) == (2, "Ready")
    wrong = k("patch", widget, "--type=json", "-p", '[{"op":"test","path":"/spec/size","value":7}]', check=False)
    assert wrong.startswith("1 ") and "The request is invalid" in wrong


def test_label_and_annotate(k: Any, widget: str) -> None:
    assert "labeled" in k("label", widget, "tier=front")
    assert "already has a value (front), and --overwrite is false" in k("label", widget, "tier=back", check=False)
    k("label", widget, "tier=back", "--overwrite")
    k("annotate", widget, "note=hello")
    metadata = read(k, widget)["metadata"]
    assert metadata["labels"] == {"tier": "back"} and metadata["annotations"]["note"] == "hello"
    assert "unlabeled" in k("label", widget, "tier-")
    assert "annotated" in k("annotate", widget, "note-")
    bad = k("label", widget, "tier=not ok", check=False)
    assert "a valid label must be an empty string or consist of alphanumeric characters" in bad


def test_scale(k: Any, widget: str) -> None:
    assert "scaled" in k("scale", widget, "--replicas=4")
    assert read(k, widget)["spec"]["replicas"] == 4
    assert "Expected replicas to be 9, was 4" in k("scale", widget, "--current-replicas=9", "--replicas=1", check=False)
    assert "scaled" in k("scale", widget, "--current-replicas=4", "--replicas=0")
    assert read(k, widget)["spec"]["replicas"] == 0


def test_replace(k: Any) -> None:
    k("create", "-f", "-", stdin=MAP)
    before = read(k, "configmap", "a")["metadata"]["uid"]
    assert k("replace", "-f", "-", stdin=MAP.replace("'1'", "'2'")) == "configmap/a replaced\n"
    assert read(k, "configmap", "a")["metadata"]["uid"] == before
    assert "configmap/a replaced" in k("replace", "--force", "-f", "-", stdin=MAP)
    after = read(k, "configmap", "a")
    assert after["metadata"]["uid"] != before and after["data"] == {"x": "1"}
    missing = k("replace", "-f", "-", stdin=MAP.replace("name: a", "name: b"), check=False)
    assert 'Error from server (NotFound): error when replacing "STDIN": configmaps "b" not found' in missing


def test_validation(k: Any, widgets: Installed) -> None:
    unknown = json.dumps(widgets.obj("v", spec={"size": 1, "weight": 2}))
    assert 'unknown field "spec.weight"' in k("create", "-f", "-", stdin=unknown, check=False)
    assert 'Warning: unknown field "spec.weight"' in k("create", "--validate=warn", "--dry-run=server", "-f", "-", stdin=unknown, check=False)  # fmt: skip
    assert "created" in k("create", "--validate=false", "-f", "-", stdin=unknown)
    assert "weight" not in read(k, f"{widgets.plural}/v")["spec"]
    wrong = k("apply", "-f", "-", stdin="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: A_B}\n", check=False)
    assert 'The ConfigMap "A_B" is invalid: metadata.name: Invalid value: "A_B"' in wrong


def test_prune(k: Any) -> None:
    two = "\n---\n".join(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {{app: p}}}}" for name in "ab")  # fmt: skip
    words = ("apply", "--prune", "-l", "app=p", "--prune-allowlist=core/v1/ConfigMap", "-f", "-")
    k(*words, stdin=two)
    assert "configmap/b pruned" in k(*words, stdin=two.split("\n---\n", maxsplit=1)[0])
    assert k("get", "configmaps", "-l", "app=p", "-o", "name") == "configmap/a\n"


@pytest.mark.parametrize("cascade", ["background", "foreground", "orphan"])
def test_cascades(http: Http, k: Any, namespace: str, cascade: str) -> None:
    k("create", "configmap", "owner")
    uid = read(k, "configmap", "owner")["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid, "blockOwnerDeletion": True}
    body = {"metadata": {"name": "owned", "ownerReferences": [owner]}}
    http.post(f"/api/v1/namespaces/{namespace}/configmaps", body).expect(201)
    k("delete", "configmap", "owner", f"--cascade={cascade}")
    assert '"owner" not found' in k("get", "configmap", "owner", check=False)
    if cascade == "orphan":
        eventually(lambda: "ownerReferences" not in read(k, "configmap", "owned")["metadata"], "orphaned", SECONDS)
    else:
        path = f"/api/v1/namespaces/{namespace}/configmaps/owned"
        eventually(lambda: http.get(path).status == 404, "the dependent gone", SECONDS)


def test_auth_reconcile(k: Any, namespace: str) -> None:
    role = f"apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: r, namespace: {namespace}}}\nrules:\n- {{apiGroups: [''], resources: [configmaps], verbs: [get]}}\n"  # fmt: skip
    assert "reconciled" in k("auth", "reconcile", "-f", "-", stdin=role)
    assert "reconciled" in k("auth", "reconcile", "-f", "-", stdin=role.replace("[get]", "[list]"))
    verbs = {verb for rule in read(k, "role", "r")["rules"] for verb in rule["verbs"]}
    assert verbs == {"get", "list"}
