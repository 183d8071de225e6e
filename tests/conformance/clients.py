"""More ways into the server under test: other credentials, access for a while, every kubectl, a CRD for clients."""

import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conformance.conftest import SECONDS, Answer, Crds, Http, Installed, session
from tests.conftest import Kubectl, eventually
from tests.tools import KUBECTL

Obj = dict[str, Any]

RBAC = "/apis/rbac.authorization.k8s.io/v1"
REVIEWS = "/apis/authorization.k8s.io/v1"
RBAC_GROUP = "rbac.authorization.k8s.io"
OLDEST_KUBECTL = 29


def unique(prefix: str) -> str:
    """A name that nobody else has."""
    return f"{prefix}-{secrets.token_hex(4)}"


def config_map(name: str, **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def config_maps(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps" + (f"/{name}" if name else "")


# Credentials


class Door:
    """Sessions and kubeconfigs of the same server with other credentials."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self._kubeconfig = kubeconfig
        self._folder = folder
        self._open: list[Any] = []

    def kubeconfig(self, user: Obj) -> Path:
        """A kubeconfig of the same cluster whose user has these credentials; none at all is nobody."""
        config = yaml.safe_load(self._kubeconfig.read_text())
        for entry in config["clusters"]:
            authority = entry["cluster"].get("certificate-authority")
            if authority:
                entry["cluster"]["certificate-authority"] = str(self._kubeconfig.parent / authority)
        for entry in config["contexts"]:
            entry["context"]["user"] = "other"
        config["users"] = [{"name": "other", "user": user}]
        path = self._folder / f"{unique('user')}.kubeconfig"
        path.write_text(yaml.safe_dump(config))
        return path

    def __call__(self, user: Obj | None = None) -> Http:
        """A session with these credentials, by default with none."""
        client = session(self.kubeconfig(user or {}), self._folder)
        self._open.append(client)
        return Http(client)

    def bearing(self, token: str) -> Http:
        """A session with a bearer token."""
        return self({"token": token})

    def close(self) -> None:
        for client in self._open:
            client.close()


@pytest.fixture
def door(kubeconfig: Path, tmp_path: Path) -> Iterator[Door]:
    """`door(user)`: a session with other credentials, those of a kubeconfig's user."""
    made = Door(kubeconfig, tmp_path)
    yield made
    made.close()


def account(http: Http, namespace: str, name: str) -> Obj:
    """Makes a ServiceAccount."""
    made: Obj = http.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}}).expect(201)
    return made


def ask_token(http: Http, namespace: str, name: str, **spec: Any) -> Answer:
    """The answer to a TokenRequest."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return http.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", body)


def token(http: Http, namespace: str, name: str, **spec: Any) -> str:
    """A ServiceAccount's token."""
    return str(ask_token(http, namespace, name, **spec).expect(201)["status"]["token"])


def who_am_i(http: Http) -> Obj:
    """The userInfo of a SelfSubjectReview."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    info: Obj = http.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", review).expect(201)["status"]["userInfo"]
    return info


# Access


def rule(verbs: Sequence[str], resources: Sequence[str], group: str = "", names: Sequence[str] = ()) -> Obj:
    """A rule for resources of one group."""
    made: Obj = {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
    return {**made, "resourceNames": list(names)} if names else made


def subject(name: str, kind: str = "User", namespace: str = "") -> Obj:
    group = "" if kind == "ServiceAccount" else RBAC_GROUP
    return {"kind": kind, "apiGroup": group, "name": name, **({"namespace": namespace} if namespace else {})}


def role_ref(name: str, kind: str = "Role") -> Obj:
    return {"apiGroup": RBAC_GROUP, "kind": kind, "name": name}


def may(
    http: Http, user: str, verb: str, resource: str, *, groups: Sequence[str] = (), **attributes: str
) -> bool:  # fmt: skip
    """Whether a user may do something, as a SubjectAccessReview says it."""
    asked = {"verb": verb, "resource": resource, **attributes}
    spec = {"user": user, "groups": list(groups), "resourceAttributes": asked}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    return bool(http.post(f"{REVIEWS}/subjectaccessreviews", body).expect(201)["status"]["allowed"])


@dataclass
class Grants:
    """Gives rules to subjects, and waits until the server has taken notice; takes them away when the test ends."""

    http: Http
    made: list[str] = field(default_factory=list)

    def __call__(self, namespace: str, who: Obj, *rules: Obj, kind: str = "Role") -> str:
        """Gives the rules by a RoleBinding in the namespace, or everywhere when it is "". Gives the role's name."""
        name, mark = unique("conformance"), unique("mark")
        marked = {"metadata": {"name": name}, "rules": [*rules, rule(["get"], [mark], "conformance.example.com")]}
        kind = kind if namespace else "ClusterRole"
        self._post(namespace if kind == "Role" else "", f"{kind.lower()}s", marked)
        binding = {"metadata": {"name": name}, "subjects": [who], "roleRef": role_ref(name, kind)}
        self._post(namespace, "rolebindings" if namespace else "clusterrolebindings", binding)
        self._until_known(namespace, who, mark)
        return name

    def _post(self, namespace: str, plural: str, body: Obj) -> None:
        path = f"{RBAC}/namespaces/{namespace}/{plural}" if namespace else f"{RBAC}/{plural}"
        self.http.post(path, body).expect(201)
        self.made.append(f"{path}/{body['metadata']['name']}")

    def _until_known(self, namespace: str, who: Obj, mark: str) -> None:
        user, groups = who["name"], [who["name"]] if who["kind"] == "Group" else []
        if who["kind"] == "ServiceAccount":
            user = f"system:serviceaccount:{who.get('namespace', namespace)}:{user}"
        where = {"group": "conformance.example.com", "namespace": namespace}
        eventually(lambda: may(self.http, user, "get", mark, groups=groups, **where), f"{who} is bound", SECONDS)

    def remove(self) -> None:
        for path in reversed(self.made):
            self.http.delete(path)


@pytest.fixture
def grant(http: Http) -> Iterator[Grants]:
    """`grant(namespace, subject, *rules, kind="Role")`: access for as long as the test runs."""
    made = Grants(http)
    yield made
    made.remove()


# kubectl


@cache
def every_kubectl() -> dict[str, str]:
    """The kubectls that are there, by minor: the one on PATH, and versioned ones beside it (kubectl.1.31)."""
    on_path = shutil.which("kubectl")
    found = {}
    for path in sorted(Path(on_path).resolve().parent.glob("kubectl*1.*")) if on_path else ():
        match = re.fullmatch(r"kubectl[.-]?v?1\.(\d+)", path.name)
        if match and int(match[1]) >= OLDEST_KUBECTL:
            found[f"1.{match[1]}"] = str(path)
    return found or ({_minor(on_path): on_path} if on_path else {})


def _minor(binary: str) -> str:
    said = subprocess.run([binary, "version", "--client"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"Client Version: v(1\.\d+)", said)
    return match[1] if match else "unknown"


@pytest.fixture(scope="module")
def newest(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """The newest kubectl there is."""
    binary = KUBECTL.path()
    found = every_kubectl()
    return Kubectl(found[max(found)] if found else binary, kubeconfig, tmp_path_factory.mktemp("home"))


# A custom resource for clients

WIDGET: Obj = {
    "description": "Widget is what the conformance tests turn.",
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "description": "What is wanted.",
            "type": "object",
            "properties": {
                "size": {"description": "How large it is.", "type": "integer", "minimum": 0, "maximum": 10},
                "replicas": {"description": "How many there are.", "type": "integer", "minimum": 0},
                "colour": {"type": "string", "enum": ["red", "green", "blue"], "default": "red"},
            },
        },
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}


@pytest.fixture(scope="module")
def widgets(http: Http) -> Iterator[Installed]:
    """A kind with a status, a scale and columns, for a module's tests."""
    suffix = secrets.token_hex(4)
    factory = Crds(http)
    kind = f"Widget{suffix}"
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    columns = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "Colour", "type": "string", "jsonPath": ".spec.colour", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    named = {"plural": f"widgets{suffix}", "singular": f"widget{suffix}", "kind": kind, "listKind": f"{kind}List"}
    names = {**named, "shortNames": [f"wd{suffix}"], "categories": ["all"]}
    yield factory(
        WIDGET, names=names, subresources={"status": {}, "scale": scale}, additionalPrinterColumns=columns
    )  # fmt: skip
    factory.remove()
