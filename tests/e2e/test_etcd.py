"""Two API servers on one etcd, and a whole StarLink that is saved from etcd and restored into it."""

import asyncio
import base64
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import Starlink, _let_pass, soon
from tests.crash.site import ApiServer
from tests.e2e.test_backup import ask, identity, password, resume, secret
from tests.etcd_server import EtcdServer

from starlink.api.kinds import SERVICE_ACCOUNT, Kind
from starlink.client.errors import ApiError, ClientError, Forbidden, Gone
from starlink.client.kube import Client, url
from starlink.store.base import Key
from starlink.store.keyfile import KeyFile

pytest.importorskip("grpc", reason="the extra [etcd] is not installed")
from starlink.store.etcd import EtcdStore

DEADLINE = 10.0
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", True)
NAMESPACE = Kind("", "v1", "Namespace", "namespaces", False)
ROLE = Kind("rbac.authorization.k8s.io", "v1", "Role", "roles", True)
ROLE_BINDING = Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", True)
CLUSTER_ROLE = Kind("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", False)
CRD = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", False)
THING = Kind("example.com", "v1", "Thing", "things", True)


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    with EtcdServer(tmp_path_factory.mktemp("etcd")) as server:
        yield server


def started_at_once(folder: Path, etcd: EtcdServer, prefix: str) -> tuple[ApiServer, ApiServer]:
    """Two servers with the same certificates and keys; the caller ends them."""
    words = ["--etcd-endpoints", ",".join(etcd.endpoints), "--etcd-prefix", prefix]
    first = ApiServer(folder / "a", words)
    KeyFile.open(first.folder / "store" / "encryption.key")
    assert first.pki.token_key
    for part in ("pki", "store"):
        shutil.copytree(first.folder / part, folder / "b" / part)
    second = ApiServer(folder / "b", words)
    try:
        first.start()
        second.start()
        first.wait()
        second.wait()
    except BaseException:
        end(first, second)
        raise
    return first, second


def end(*servers: ApiServer) -> None:
    for server in servers:
        server.kill()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, etcd: EtcdServer) -> Iterator[tuple[ApiServer, ApiServer]]:
    servers = started_at_once(tmp_path_factory.mktemp("pair"), etcd, "/pair")
    try:
        yield servers
        assert [line for server in servers for line in server.complaints()] == []
    finally:
        end(*servers)


@pytest.fixture
async def a(pair: tuple[ApiServer, ApiServer]) -> AsyncIterator[Client]:
    async with Client(pair[0].config()) as client:
        yield client


@pytest.fixture
async def b(pair: tuple[ApiServer, ApiServer]) -> AsyncIterator[Client]:
    async with Client(pair[1].config()) as client:
        yield client


async def until(ask_: Callable[[], Awaitable[Any]], what: str) -> Any:
    """Asks until it is answered; what an API server says that has not heard of it yet is passed over."""
    last_error: ClientError | None = None
    end_ = time.monotonic() + DEADLINE
    while time.monotonic() < end_:
        try:
            return await ask_()
        except ClientError as error:
            last_error = error
        await asyncio.sleep(0.01)
    pytest.fail(f"{what} did not become so within {DEADLINE:g} s: {last_error}")


def config_map(name: str, value: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"v": value}}


async def listed(client: Client, kind: Kind) -> dict[str, tuple[str, str]]:
    found = [msgspec.json.decode(raw)["metadata"] for raw in (await client.list(kind)).items]
    return {meta["name"]: (meta["uid"], meta["resourceVersion"]) for meta in found}


@pytest.mark.parametrize("attempt", range(2))
def test_two_servers_start_at_once_on_an_empty_etcd(tmp_path: Path, etcd: EtcdServer, attempt: int) -> None:
    servers = started_at_once(tmp_path, etcd, f"/empty{attempt}")
    try:
        assert [line for server in servers for line in server.complaints()] == []
    finally:
        end(*servers)


async def test_both_serve_the_same_objects(a: Client, b: Client) -> None:
    for kind in (NAMESPACE, CLUSTER_ROLE, CRD):
        end_ = time.monotonic() + DEADLINE
        while (found := (await listed(a, kind), await listed(b, kind)))[0] != found[1]:
            assert time.monotonic() < end_, found
        assert found[0]


async def test_what_is_written_at_one_is_watched_at_the_other(a: Client, b: Client) -> None:
    since = (await b.list(CONFIG_MAP, "default")).resource_version
    seen: list[tuple[str, str, str]] = []

    async def follow() -> None:
        async for event in b.watch(CONFIG_MAP, "default", resource_version=since):
            obj = msgspec.json.decode(event.object)
            if event.type != "BOOKMARK":
                seen.append((event.type, obj["data"]["v"], obj["metadata"]["resourceVersion"]))

    watching = asyncio.create_task(follow())
    try:
        made = await a.create(CONFIG_MAP, config_map("watched", "1"), "default")
        changed = await a.patch(CONFIG_MAP, "watched", {"data": {"v": "2"}}, "default")
        await a.delete(CONFIG_MAP, "watched", "default")
        await soon(lambda: len(seen) >= 3, "the watcher has been told")
    finally:
        watching.cancel()
    assert [(type_, value) for type_, value, _ in seen] == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]
    assert [version for _, _, version in seen[:2]] == [obj["metadata"]["resourceVersion"] for obj in (made, changed)]


async def test_a_server_that_is_behind_is_waited_for(a: Client, b: Client) -> None:
    for number in range(20):
        made = await a.create(CONFIG_MAP, config_map(f"m{number}", "1"), "default")
        query = {"resourceVersion": made["metadata"]["resourceVersion"], "fieldSelector": f"metadata.name=m{number}"}
        found = msgspec.json.decode(await b.raw("GET", url(CONFIG_MAP, "default"), query=query))
        assert [item["data"]["v"] for item in found["items"]] == ["1"]


async def test_a_revision_that_nobody_told_moves_no_watch(etcd: EtcdServer) -> None:
    store, other = (EtcdStore(etcd.endpoints, prefix="/behind/") for _ in range(2))
    await store.open()
    await other.open()
    try:
        record = await store.put(Key("/configmaps", "ns", "a"), b"1", expect=0)
        assert await other.reaches(record.revision, DEADLINE)
        assert other.get(record.key) == record
        assert not await other.reaches(etcd.revision() + 1000, 0.2)
        other.watch(None, None, record.revision).close()
    finally:
        await store.close()
        await other.close()


async def test_tokens_and_roles_of_one_are_good_at_the_other(a: Client, b: Client) -> None:
    await a.create(SERVICE_ACCOUNT, {"metadata": {"name": "robot"}}, "default")
    token, _ = await a.request_token("default", "robot", 600)
    async with Client(replace(b.config, certificate=None, key=None, token=token)) as robot:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        answer = await until(lambda: robot.raw("POST", path, body=review), "the token is good at the other server")
        assert msgspec.json.decode(answer)["status"]["userInfo"]["username"] == "system:serviceaccount:default:robot"
        with pytest.raises(Forbidden):
            await robot.list(CONFIG_MAP, "default")
        rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]
        await a.create(ROLE, {"metadata": {"name": "reader"}, "rules": rules}, "default")
        subjects = [{"kind": "ServiceAccount", "name": "robot", "namespace": "default"}]
        ref = {"apiGroup": ROLE.group, "kind": "Role", "name": "reader"}
        binding = {"metadata": {"name": "reader"}, "subjects": subjects, "roleRef": ref}
        await a.create(ROLE_BINDING, binding, "default")
        await until(lambda: robot.list(CONFIG_MAP, "default"), "the role holds at the other server")
        await a.delete(ROLE_BINDING, "reader", "default")
        await soon_refused(robot)


async def soon_refused(robot: Client) -> None:
    end_ = time.monotonic() + DEADLINE
    while time.monotonic() < end_:
        try:
            await robot.list(CONFIG_MAP, "default")
        except Forbidden:
            return
        await asyncio.sleep(0.01)
    pytest.fail("a binding that was deleted still holds at the other server")


async def test_a_definition_of_one_is_served_at_the_other(a: Client, b: Client) -> None:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    versions = [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]
    names = {"plural": "things", "singular": "thing", "kind": "Thing"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": versions}
    await a.create(CRD, {"metadata": {"name": "things.example.com"}, "spec": spec})
    asked = time.monotonic()
    await until(lambda: b.list(THING, "default"), "the definition is served at the other server")
    print(f"served at the other server after {time.monotonic() - asked:.3f} s")
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": {"n": 1}}
    made = await b.create(THING, thing, "default")
    found = await until(lambda: a.get(THING, "t", "default"), "its object is seen where it was defined")
    assert found == made
    await b.delete(CRD, "things.example.com")
    for client in (a, b):
        end_ = time.monotonic() + DEADLINE
        while await is_served(client):
            assert time.monotonic() < end_, "a definition that was deleted is still served"
            await asyncio.sleep(0.01)


async def is_served(client: Client) -> bool:
    try:
        await client.list(THING, "default")
    except ApiError as error:
        assert error.code == 404, error
        return False
    return True


def test_a_starlink_on_etcd_is_saved_and_restored(tmp_path: Path, etcd: EtcdServer) -> None:
    _let_pass(tmp_path)
    starlink, where = Starlink(tmp_path), ["--etcd", etcd.endpoints[0], "--etcd-prefix", "/whole"]
    try:
        starlink.cli("up", "--detach", "--name", "s1", "--artifact-dir", str(starlink.artifacts), *where)
        starlink.apply(secret("s", b"first"))
        file, first = starlink.folder / "b.tar.gz", identity(starlink)
        assert f"{file} holds " in starlink.cli("backup", str(file)).stdout
        starlink.apply(secret("s", b"changed"), secret("t", b"new"))
        told = starlink.get("secret", "t")["metadata"]["resourceVersion"]
        handed_out = starlink.folder / "kubeconfig"
        shutil.copy(starlink.kubeconfig, handed_out)
        starlink.cli("down")

        refused = starlink.cli("restore", str(file), "--force", *where, check=False)
        assert refused.returncode == 1 and "take a prefix that is free: --etcd-prefix /whole-2" in refused.stderr
        where[-1] = "/whole-2"
        starlink.cli("restore", str(file), "--force", *where)
        starlink.up()
        assert password(starlink, "s") == b"first" and starlink.get("secret", "t") == {}
        second = identity(starlink)
        assert second != first and starlink.settings["etcd"]["prefix"] == "/whole-2"
        assert int(starlink.get("secret", "s")["metadata"]["resourceVersion"]) > int(told)
        with pytest.raises(Gone):
            ask(handed_out, lambda client: resume(client, told))
        starlink.apply(secret("u", b"later"))
        told = starlink.get("secret", "u")["metadata"]["resourceVersion"]
        starlink.cli("down")

        starlink.cli("restore", str(file), "--force")
        starlink.up()
        assert starlink.settings["etcd"]["endpoints"] == "" and starlink.get("secret", "u") == {}
        assert password(starlink, "s") == b"first" and identity(starlink) not in (first, second)
        assert int(starlink.get("secret", "s")["metadata"]["resourceVersion"]) > int(told)
        stored = [value for _, _, value in etcd.held("/whole").values()]
        assert not any(base64.b64encode(text) in value for value in stored for text in (b"first", b"later"))
    finally:
        starlink.remove()
