"""What the conformance tests share: one Kubernetes API server, seen from outside.

`pytest tests/conformance --kubeconfig FILE` asks the server of that file, with the rights of an administrator;
without the option the suite starts a StarLink API server of its own. The tests know nothing of which one answers.
"""

import contextlib
import datetime
import json
import re
import secrets
import socket
import ssl
import subprocess
import sys
import time
import uuid
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest
import yaml
from tests.conftest import Kubectl, eventually, kubectl_binary

Obj = dict[str, Any]

GROUP = "conformance.example.com"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
SECONDS = 30.0
"""How long anything that happens beside the requests may take."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kubeconfig", type=Path, help="the server to test [a StarLink API server of its own]")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered; `json` is None when the body is not JSON."""

    status: int
    headers: httpx.Headers
    json: Any
    body: bytes

    def expect(self, status: int) -> Any:
        """The decoded body of an answer with this status; the test fails on any other."""
        assert self.status == status, f"wanted {status}, got {self.status}: {self.body.decode(errors='replace')}"
        return self.json

    def fails(self, status: int, reason: str) -> Obj:
        """The Status of a refusal with this code and reason; the test fails on anything else."""
        refused: Obj = self.expect(status)
        assert (refused["apiVersion"], refused["kind"], refused["status"]) == ("v1", "Status", "Failure"), refused
        assert (refused["code"], refused.get("reason")) == (status, reason), refused
        return refused

    @property
    def warnings(self) -> list[str]:
        """The texts of the Warning headers."""
        found = re.findall(r'299 - ("(?:[^"\\]|\\.)*")', ", ".join(self.headers.get_list("warning")))
        return [json.loads(text) for text in found]


def causes(status: Obj) -> dict[str, str]:
    """The field and message of every cause of a Status."""
    found = status.get("details", {}).get("causes", [])
    return {cause.get("field", ""): cause["message"] for cause in found}


class Http:
    """A raw HTTPS session with the credentials of a kubeconfig."""

    def __init__(self, client: httpx.Client, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.client = client
        self._headers = tuple(headers)

    def acting(self, user: str, groups: Sequence[str] = ()) -> "Http":
        """The same session as somebody else, by impersonation."""
        named = [("Impersonate-User", user), *(("Impersonate-Group", group) for group in groups)]
        return Http(self.client, named)

    def request(
        self, method: str, path: str, body: Any = None, *,
        headers: Mapping[str, str] | None = None, query: Mapping[str, Any] | None = None,
    ) -> Answer:  # fmt: skip
        """Sends one request. Bytes and text go as they are; any other body as JSON, typed so unless `headers` say."""
        content, given = _encoded(body, dict(headers or {}))
        sent = [*self._headers, *given.items()]
        done = self.client.request(method, path, content=content, headers=sent, params=_query(query or {}) or None)
        return Answer(done.status_code, done.headers, _decoded(done), done.content)

    def get(self, path: str, *, accept: str = "", **query: Any) -> Answer:
        return self.request("GET", path, headers={"Accept": accept} if accept else {}, query=query)

    def post(self, path: str, body: Any, **query: Any) -> Answer:
        return self.request("POST", path, body, query=query)

    def put(self, path: str, body: Any, **query: Any) -> Answer:
        return self.request("PUT", path, body, query=query)

    def delete(self, path: str, body: Any = None, **query: Any) -> Answer:
        return self.request("DELETE", path, body, query=query)

    def patch(self, path: str, body: Any, media: str = MERGE, **query: Any) -> Answer:
        return self.request("PATCH", path, body, headers={"Content-Type": media}, query=query)

    def apply(self, path: str, body: Any, manager: str = "conformance", **query: Any) -> Answer:
        """A server-side apply."""
        return self.patch(path, body, APPLY, fieldManager=manager, **query)


def _encoded(body: Any, headers: dict[str, str]) -> tuple[bytes | None, dict[str, str]]:
    if body is None:
        return None, headers
    if isinstance(body, bytes | str):
        return body if isinstance(body, bytes) else body.encode(), headers
    return json.dumps(body).encode(), {"Content-Type": "application/json", **headers}


def _query(query: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in query.items()}


def _decoded(done: httpx.Response) -> Any:
    if not done.content or "json" not in done.headers.get("content-type", ""):
        return None
    return done.json()


class Watch:
    """The events of one watch, until the server ends it; waiting longer than the deadline fails the test."""

    def __init__(self, http: Http, path: str, accept: str, query: Mapping[str, Any]) -> None:
        self._end = time.monotonic() + SECONDS
        headers = [*http._headers, *([("Accept", accept)] if accept else [])]
        asked = http.client.build_request(
            "GET", path, headers=headers, params=_query({"watch": True, **query}), timeout=SECONDS
        )
        self._response = http.client.send(asked, stream=True)
        if self._response.status_code != 200:
            self._response.read()
        self._lines = self._response.iter_lines()

    @property
    def refusal(self) -> Answer | None:
        """The answer, when the watch was refused."""
        done = self._response
        return Answer(done.status_code, done.headers, _decoded(done), done.content) if done.is_closed else None

    @property
    def headers(self) -> httpx.Headers:
        return self._response.headers

    def __iter__(self) -> "Watch":
        return self

    def __next__(self) -> Obj:
        if self._response.status_code != 200:
            pytest.fail(f"the watch was refused: {self._response.text}")
        try:
            event: Obj = json.loads(next(self._lines))
        except httpx.TimeoutException:
            self._late()
        if time.monotonic() > self._end:
            self._late()
        return event

    def until(self, type_: str, name: str = "") -> Obj:
        """The object of the next event of this type (and name), past all others."""
        for event in self:
            if event["type"] == type_ and name in ("", event["object"]["metadata"].get("name")):
                found: Obj = event["object"]
                return found
        pytest.fail(f"the watch ended before {type_} {name}")

    def take(self, count: int) -> list[tuple[str, str]]:
        """The types and names of the next `count` events."""
        taken = [next(self) for _ in range(count)]
        return [(event["type"], event["object"]["metadata"].get("name", "")) for event in taken]

    def close(self) -> None:
        self._response.close()

    def _late(self) -> NoReturn:
        pytest.fail(f"the watch gave nothing that was waited for within {SECONDS:g} s")


@dataclass(frozen=True, slots=True)
class Installed:
    """A CRD that is served."""

    plural: str
    kind: str
    scope: str = "Namespaced"
    version: str = "v1"
    group: str = GROUP

    @property
    def name(self) -> str:
        return f"{self.plural}.{self.group}"

    @property
    def definition(self) -> str:
        """The path of the CRD itself."""
        return f"{CRDS}/{self.name}"

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "", version: str = "") -> str:
        """The path of its objects, or of one of them."""
        below = f"/namespaces/{namespace}" if namespace else ""
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"/apis/{self.group}/{version or self.version}{below}/{self.plural}{tail}"

    def obj(self, name: str, *, version: str = "", metadata: Obj | None = None, **fields: Any) -> Obj:
        """An object of the kind."""
        named = {"name": name, **(metadata or {})}
        return {"apiVersion": f"{self.group}/{version or self.version}", "kind": self.kind, "metadata": named, **fields}


@dataclass
class Crds:
    """A factory of CRDs, which are removed when the test ends."""

    http: Http
    made: list[Installed] = field(default_factory=list)

    def __call__(
        self, schema: Obj | None = None, *, scope: str = "Namespaced", versions: Sequence[Obj] = (),
        names: Obj | None = None, spec: Obj | None = None, **version: Any,
    ) -> Installed:  # fmt: skip
        """Installs a CRD and gives it once it is served.

        `schema` is the openAPIV3Schema of its one version v1, `version` more fields of that version
        (subresources, additionalPrinterColumns, selectableFields); or `versions` are all of them as they are.
        `names` and `spec` are laid over what is made.
        """
        definition = self.draft(schema, scope=scope, versions=versions, names=names, spec=spec, **version)
        self.http.post(CRDS, definition).expect(201)
        return self.installed(definition)

    def draft(
        self, schema: Obj | None = None, *, scope: str = "Namespaced", versions: Sequence[Obj] = (),
        names: Obj | None = None, spec: Obj | None = None, **version: Any,
    ) -> Obj:  # fmt: skip
        """The CRD that a call would install."""
        suffix = secrets.token_hex(4)
        named = {
            "plural": f"widgets{suffix}", "singular": f"widget{suffix}", "kind": f"Widget{suffix}",
            "listKind": f"Widget{suffix}List", **(names or {}),
        }  # fmt: skip
        one = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema or OPEN}, **version}
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{named['plural']}.{GROUP}"},
            "spec": {
                "group": GROUP, "scope": scope, "names": named, "versions": list(versions) or [one], **(spec or {}),
            },
        }  # fmt: skip

    def installed(self, definition: Obj) -> Installed:
        """The handle of a CRD that was posted, once it is served; it is removed when the test ends."""
        spec = definition["spec"]
        served = [version["name"] for version in spec["versions"] if version["served"]]
        crd = Installed(spec["names"]["plural"], spec["names"]["kind"], spec["scope"], served[0])
        self.made.append(crd)
        eventually(lambda: self._is_established(crd), f"{crd.name} Established", SECONDS)
        for version in served:
            self.until_served(crd.path(version=version))
        return crd

    def until_served(self, path: str) -> None:
        """Waits for a path, which follows its CRD a moment later."""
        eventually(lambda: self.http.get(path).status == 200, f"{path} served", SECONDS)

    def remove(self) -> None:
        for crd in self.made:
            self.http.delete(crd.definition)

    def _is_established(self, crd: Installed) -> bool:
        found = self.http.get(crd.definition).expect(200)
        return condition(found, "Established") == "True"


OPEN: Obj = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
"""A schema that takes anything."""

Watching = Callable[..., Watch]
"""What the fixture `watch` is."""


def obj_of(**properties: Obj) -> Obj:
    """The schema of an object."""
    return {"type": "object", "properties": properties}


def configmaps(namespace: str, name: str = "") -> str:
    """The path of a namespace's ConfigMaps, or of one of them."""
    return f"/api/v1/namespaces/{namespace}/configmaps" + (f"/{name}" if name else "")


def configmap(name: str, data: dict[str, str] | None = None, **metadata: Any) -> Obj:
    """A ConfigMap; those with nothing else to say are what most tests write."""
    made: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}
    return {**made, "data": data} if data is not None else made


def gone(http: Http, path: str) -> bool:
    """Whether nothing is at the path."""
    return http.get(path).status == 404


def condition(obj: Obj, type_: str) -> str:
    """The status of a condition, "" when it is not there."""
    found = obj.get("status", {}).get("conditions", [])
    return next((one["status"] for one in found if one["type"] == type_), "")


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The kubeconfig of the server to test."""
    given = request.config.getoption("kubeconfig", default=None)
    if given is not None:
        yield given.resolve()
        return
    with _own_server(tmp_path_factory.mktemp("conformance")) as made:
        yield made


@contextlib.contextmanager
def _own_server(folder: Path) -> Iterator[Path]:
    """A StarLink API server in `folder`; gives its administrator's kubeconfig."""
    from starlink.apiserver.pki import Pki
    from starlink.client.config import Config, render

    port = _free_port()
    (folder / "store").mkdir()
    (folder / "logs").mkdir()
    pki = Pki(folder / "pki", datetime.datetime.now(datetime.UTC))
    certificate, key = pki.client("conformance-admin", ["system:masters"])
    config = Config(f"https://127.0.0.1:{port}", pki.ca.read_bytes(), certificate.read_bytes(), key.read_bytes())
    path = folder / "admin.kubeconfig"
    path.write_text(render(config, "conformance-admin"))
    command = [sys.executable, "-m", "starlink.apiserver", "--data-dir", str(folder), "--listen", f"127.0.0.1:{port}"]
    log = folder / "apiserver.log"
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            eventually(lambda: _is_ready(path, process, log), "the API server", 30)
            yield path
        finally:
            process.terminate()
            process.wait(20)


def _is_ready(path: Path, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    if process.poll() is not None:
        pytest.fail(f"the API server ended with {process.returncode}: {log.read_text()}")
    try:
        with _session(path, path.parent) as client:
            return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _session(kubeconfig: Path, folder: Path) -> httpx.Client:
    """A session as the current context of a kubeconfig says; its certificates are laid down in `folder`."""
    config = yaml.safe_load(kubeconfig.read_text())
    context = _named(config["contexts"], config["current-context"])["context"]
    cluster = _named(config["clusters"], context["cluster"])["cluster"]
    user = _named(config["users"], context["user"])["user"]
    tls = ssl.create_default_context(cadata=_content(cluster, "certificate-authority", kubeconfig) or None)
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    if certificate := _content(user, "client-certificate", kubeconfig):
        pair = folder / "client.pem"
        pair.touch(0o600)
        pair.write_text(f"{certificate}\n{_content(user, 'client-key', kubeconfig)}")
        tls.load_cert_chain(pair)
    token = _token(user, kubeconfig)
    headers = {"User-Agent": "conformance", **({"Authorization": f"Bearer {token}"} if token else {})}
    return httpx.Client(base_url=cluster["server"], verify=tls, headers=headers, timeout=SECONDS, trust_env=False)


def _named(entries: Sequence[Obj], name: str) -> Obj:
    return next(entry for entry in entries if entry["name"] == name)


def _content(entry: Obj, key: str, kubeconfig: Path) -> str:
    """What an entry of a kubeconfig holds, inline or as a file."""
    if inline := entry.get(f"{key}-data"):
        return b64decode(inline).decode()
    return (kubeconfig.parent / entry[key]).read_text() if entry.get(key) else ""


def _token(user: Obj, kubeconfig: Path) -> str:
    file = user.get("tokenFile")
    return (kubeconfig.parent / file).read_text().strip() if file else str(user.get("token", ""))


@pytest.fixture(scope="session")
def http(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Http]:
    """A raw session of the administrator."""
    with _session(kubeconfig, tmp_path_factory.mktemp("credentials")) as client:
        yield Http(client)


@pytest.fixture(scope="session")
def http_as(http: Http) -> Callable[..., Http]:
    """`http_as(user, groups)`: the session as somebody else, by impersonation."""
    return http.acting


@pytest.fixture
def namespace(http: Http) -> Iterator[str]:
    """A namespace of the test's own."""
    made = http.post("/api/v1/namespaces", {"metadata": {"generateName": "conformance-"}}).expect(201)
    name: str = made["metadata"]["name"]
    yield name
    http.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def crd(http: Http) -> Iterator[Crds]:
    """A factory of CRDs."""
    factory = Crds(http)
    yield factory
    factory.remove()


@pytest.fixture
def watch(http: Http) -> Iterator[Callable[..., Watch]]:
    """`watch(path, accept="", **query)`: the events of a watch, with a deadline."""
    opened: list[Watch] = []

    def start(path: str, accept: str = "", **query: Any) -> Watch:
        opened.append(Watch(http, path, accept, query))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture(scope="session")
def controllers(request: pytest.FixtureRequest, http: Http) -> None:
    """Skips where garbage collection does not run beside the API server, as in a bare kube-apiserver with etcd."""
    if request.config.getoption("kubeconfig", default=None) is None:
        return
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": str(uuid.uuid4())}
    orphan = {"metadata": {"generateName": "conformance-", "ownerReferences": [owner]}}
    path = configmaps("default", http.post(configmaps("default"), orphan).expect(201)["metadata"]["name"])
    end = time.monotonic() + SECONDS
    while not gone(http, path):
        if time.monotonic() > end:
            http.delete(path)
            pytest.skip("no garbage collector runs beside this API server")
        time.sleep(0.5)


@pytest.fixture(scope="session")
def kubectl(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """`kubectl(*args, stdin=None, check=True)`, with a home of its own."""
    return Kubectl(kubectl_binary(), kubeconfig, tmp_path_factory.mktemp("home"))
