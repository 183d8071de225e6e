"""A server's agent on the wire: how it joins, what it reaches, and how it is shut out."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.integration.conftest import Wire

from starlink.api.kinds import ASSIGNMENT, LEASE, SERVER, SERVICE_ACCOUNT, Kind
from starlink.apiserver.handler import Api
from starlink.apiserver.resources.encoding import to_stored
from starlink.client.config import Config
from starlink.client.errors import ApiError, Forbidden, Unauthorized
from starlink.client.kube import Client
from starlink.store.base import Key

NAMESPACE = "starlink-servers"
GROUPS = ("system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}")
CSR = Kind("certificates.k8s.io", "v1", "CertificateSigningRequest", "certificatesigningrequests", False)
SECRET = Kind("", "v1", "Secret", "secrets", True)
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", True)
IDENTITY = ("/apis/authentication.k8s.io/v1/selfsubjectreviews", {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})  # fmt: skip
REACHES = "an agent may only do what is its own server's"


def account_of(server: str) -> str:
    return f"system:serviceaccount:{NAMESPACE}:{server}"


async def add_account(client: Client, server: str) -> str:
    """Makes the server's ServiceAccount; gives its UID."""
    return str((await client.create(SERVICE_ACCOUNT, {"metadata": {"name": server}}, NAMESPACE))["metadata"]["uid"])


async def token_of(client: Client, server: str) -> str:
    return (await client.request_token(NAMESPACE, server, 600))[0]


def asked(server: str, name: str, **spec: Any) -> tuple[dict[str, Any], bytes]:
    """A request for the certificate of a server's agent, and its private key."""
    key = ec.generate_private_key(ec.SECP256R1())
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in GROUPS]
    subject = x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, account_of(server))])
    signed = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    request = base64.b64encode(signed.public_bytes(pem)).decode()
    whole = {"request": request, "signerName": "starlink.dev/agent", "usages": ["client auth"], **spec}
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {"apiVersion": CSR.api_version, "kind": CSR.kind, "metadata": {"name": name}, "spec": whole}, private


async def certificate_of(client: Client, server: str, name: str) -> tuple[bytes, bytes]:
    """Asks as `client` for the certificate of a server's agent, and waits for it; gives it and its key."""
    body, private = asked(server, name)
    await client.create(CSR, body)
    status: dict[str, Any] = {}

    async def issued() -> bool:
        status.update((await client.get(CSR, name)).get("status") or {})
        return "certificate" in status

    await until(issued, f"the certificate of {server}")
    return base64.b64decode(status["certificate"]), private


async def until(check: Any, what: str) -> None:
    """Waits for what must be asked for."""
    for _ in range(1000):
        if await check():
            return
    pytest.fail(f"{what} did not come")


@contextlib.asynccontextmanager
async def acting(
    wire: Wire, *, token: str = "", pair: tuple[bytes, bytes] | None = None
) -> AsyncIterator[Client]:  # fmt: skip
    """A client with a token, or a certificate and its key."""
    url, ca = f"https://127.0.0.1:{wire.port}", wire.pki.ca.read_bytes()
    config = Config(url, ca, *pair) if pair else Config(url, ca, token=token)
    async with Client(config) as client:
        yield client


async def whoami(client: Client) -> dict[str, Any]:
    answer = msgspec.json.decode(await client.raw("POST", IDENTITY[0], body=IDENTITY[1]))
    info: dict[str, Any] = answer["status"]["userInfo"]
    return info


async def refused(client: Client, method: str, path: str, body: Any = None, **query: str) -> ApiError:
    with pytest.raises(ApiError) as error:
        await client.raw(method, path, body=body, query=query)
    return error.value


async def add_bootstrap_token(client: Client, groups: str, identifier: str = "abcdef") -> str:
    secret = "0123456789abcdef"
    data = {
        "token-id": identifier, "token-secret": secret, "usage-bootstrap-authentication": "true",
        "auth-extra-groups": groups, "expiration": "2099-01-01T00:00:00Z",
    }  # fmt: skip
    named = {"name": f"bootstrap-token-{identifier}", "namespace": "kube-system"}
    body = {"metadata": named, "type": "bootstrap.kubernetes.io/token", "stringData": data}
    await client.create(SECRET, body, "kube-system")
    return f"{identifier}.{secret}"


# Shut out


async def test_a_deleted_accounts_token_ends_at_once(wire: Wire, client: Client) -> None:
    uid = await add_account(client, "s1")
    async with acting(wire, token=await token_of(client, "s1")) as agent:
        assert (await whoami(agent))["uid"] == uid
        await agent.create(SERVER, {"metadata": {"name": "s1"}})
        await client.delete(SERVICE_ACCOUNT, "s1", NAMESPACE)
        with pytest.raises(Unauthorized, match="its service account starlink-servers/s1 is gone"):
            await agent.get(SERVER, "s1")
        await add_account(client, "s1")
        with pytest.raises(Unauthorized):  # another account of the name is another identity
            await agent.get(SERVER, "s1")
    async with acting(wire, token=await token_of(client, "s1")) as agent:
        await agent.get(SERVER, "s1")


async def test_an_open_watch_ends_with_the_account_and_tells_nothing_more(wire: Wire, client: Client) -> None:
    await add_account(client, "s1")
    async with acting(wire, token=await token_of(client, "s1")) as agent:
        version = (await agent.create(SERVER, {"metadata": {"name": "s1"}}))["metadata"]["resourceVersion"]
        watch = agent.watch(SERVER, resource_version=version, field_selector="metadata.name=s1")
        first = asyncio.ensure_future(anext(watch))
        await client.patch(SERVER, "s1", {"metadata": {"labels": {"told": "before"}}})
        assert b"before" in bytes((await first).object)
        await client.delete(SERVICE_ACCOUNT, "s1", NAMESPACE)
        await client.patch(SERVER, "s1", {"metadata": {"labels": {"told": "after"}}})
        assert [event async for event in watch] == []


async def test_a_deleted_accounts_certificate_ends_at_once(wire: Wire, client: Client) -> None:
    uid = await add_account(client, "s1")
    async with acting(wire, token=await token_of(client, "s1")) as agent:
        pair = await certificate_of(agent, "s1", "first")
    async with acting(wire, pair=pair) as agent:
        info = await whoami(agent)
        assert (info["username"], info["uid"]) == (account_of("s1"), uid)
        await agent.create(SERVER, {"metadata": {"name": "s1"}})
        await client.delete(SERVICE_ACCOUNT, "s1", NAMESPACE)
        with pytest.raises(Unauthorized, match="its service account starlink-servers/s1 is gone"):
            await agent.get(SERVER, "s1")
        await add_account(client, "s1")
        with pytest.raises(Unauthorized):
            await agent.get(SERVER, "s1")
    async with acting(wire, pair=pair) as agent:  # nor by a new connection
        with pytest.raises(Unauthorized):
            await agent.get(SERVER, "s1")


async def test_a_certificate_is_not_had_for_a_deleted_account(wire: Wire, client: Client) -> None:
    await add_account(client, "s1")
    async with acting(wire, token=await token_of(client, "s1")) as agent:
        await client.create(CSR, asked("s2", "other")[0])
        await certificate_of(agent, "s1", "own")
        await client.delete(SERVICE_ACCOUNT, "s1", NAMESPACE)
        with pytest.raises(Unauthorized):
            await agent.create(CSR, asked("s1", "late")[0])
    assert not (await client.get(CSR, "other")).get("status")


# What an agent reaches


def assignment(name: str, server: str, **template: Any) -> dict[str, Any]:
    spec = {"server": server, "slot": "0", "attempt": 1, "template": {"command": ["x"], **template}}
    named = {"name": name, "namespace": "default"}
    return {"apiVersion": ASSIGNMENT.api_version, "kind": ASSIGNMENT.kind, "metadata": named, "spec": spec}


@pytest.fixture
async def agent(wire: Wire, client: Client) -> AsyncIterator[Client]:
    """The agent of s1, by its certificate, in a world where s2 is too."""
    for server in ("s1", "s2"):
        await add_account(client, server)
        await client.create(SERVER, {"metadata": {"name": server}})
        await client.create(LEASE, {"metadata": {"name": server}}, NAMESPACE)
        await client.create(SECRET, {"metadata": {"name": f"for-{server}"}}, "default")
        await client.create(ASSIGNMENT, assignment(f"on-{server}", server), "default")
    await client.create(SECRET, {"metadata": {"name": "for-nobody"}}, "default")
    await client.create(CONFIG_MAP, {"metadata": {"name": "for-s1"}}, "default")
    async with acting(wire, token=await token_of(client, "s1")) as by_token:
        pair = await certificate_of(by_token, "s1", "s1")
    async with acting(wire, pair=pair) as made:
        yield made


@pytest.fixture
async def referring(api: Api, agent: Client) -> Key:
    """An assignment of each server refers to a Secret, as no schema says yet, and so it is put into the store."""
    for server in ("s2", "s1"):
        word = {"name": "WORD", "secretKeyRef": {"name": f"for-{server}", "key": "k"}}
        obj = assignment(f"refers-{server}", server, env=[word])
        key = Key("starlink.dev/assignments", "default", obj["metadata"]["name"])
        await api.store.put(key, to_stored(obj), expect=0)
    return key


async def test_an_agent_reaches_its_own(agent: Client) -> None:
    listed = await agent.list(ASSIGNMENT, field_selector="spec.server=s1")
    assert [msgspec.json.decode(item)["metadata"]["name"] for item in listed.items] == ["on-s1"]
    async with contextlib.aclosing(
        agent.watch(ASSIGNMENT, resource_version="0", field_selector="spec.server=s1", seconds=5)
    ) as events:
        first = await anext(events)
        assert msgspec.json.decode(first.object)["metadata"]["name"] == "on-s1"
    await agent.get(ASSIGNMENT, "on-s1", "default")
    await agent.patch(ASSIGNMENT, "on-s1", {"status": {"phase": "Running"}}, "default", subresource="status")
    await agent.get(SERVER, "s1")
    await agent.patch(SERVER, "s1", {"status": {"architecture": "amd64"}}, subresource="status")
    await agent.list(SERVER, field_selector="metadata.name=s1")
    await agent.patch(LEASE, "s1", {"spec": {"holderIdentity": "s1"}}, NAMESPACE)
    assert (await agent.request_token(NAMESPACE, "s1", 600))[0]


STARLINK = "/apis/starlink.dev/v1alpha1"
DEFAULT = "/api/v1/namespaces/default"
OTHERS: list[tuple[str, str, Any, dict[str, str]]] = [
    ("GET", f"{STARLINK}/assignments", None, {}),
    ("GET", f"{STARLINK}/assignments", None, {"fieldSelector": "spec.server=s2"}),
    ("GET", f"{STARLINK}/assignments", None, {"fieldSelector": "spec.server!=s2"}),
    ("GET", f"{STARLINK}/assignments", None, {"fieldSelector": "spec.server=s2", "watch": "true"}),
    ("GET", f"{STARLINK}/assignments", None, {"watch": "true"}),
    ("GET", f"{STARLINK}/assignments", None, {"labelSelector": "spec.server=s1"}),
    ("GET", f"{STARLINK}/namespaces/default/assignments/on-s2", None, {}),
    ("PATCH", f"{STARLINK}/namespaces/default/assignments/on-s2/status", {"status": {"phase": "Exited"}}, {}),
    ("PATCH", f"{STARLINK}/namespaces/default/assignments/on-s1", {"spec": {"desired": "Stopped"}}, {}),
    ("POST", f"{STARLINK}/namespaces/default/assignments", assignment("mine", "s1"), {}),
    ("DELETE", f"{STARLINK}/namespaces/default/assignments/on-s1", None, {}),
    ("DELETE", f"{STARLINK}/namespaces/default/assignments", None, {"fieldSelector": "spec.server=s1"}),
    ("GET", f"{STARLINK}/servers", None, {}),
    ("GET", f"{STARLINK}/servers/s2", None, {}),
    ("POST", f"{STARLINK}/servers", {"metadata": {"name": "s3"}}, {}),
    ("PATCH", f"{STARLINK}/servers/s2/status", {"status": {}}, {}),
    ("DELETE", f"{STARLINK}/servers/s1", None, {}),
    ("GET", f"{STARLINK}/tasks", None, {}),
    ("GET", f"{STARLINK}/pools", None, {}),
    ("GET", f"{STARLINK}/nothings", None, {}),
    ("GET", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/s2", None, {}),
    ("GET", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases", None, {}),
    ("DELETE", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/s1", None, {}),
    ("GET", f"{DEFAULT}/secrets/for-s2", None, {}),
    ("GET", f"{DEFAULT}/secrets/for-nobody", None, {}),
    ("GET", f"{DEFAULT}/secrets", None, {}),
    ("GET", f"{DEFAULT}/secrets", None, {"fieldSelector": "metadata.name=for-s1"}),
    ("GET", f"{DEFAULT}/secrets", None, {"fieldSelector": "metadata.name=for-s1", "watch": "true"}),
    ("PUT", f"{DEFAULT}/secrets/for-s1", {"metadata": {"name": "for-s1"}}, {}),
    ("GET", "/api/v1/namespaces/kube-system/secrets/for-s1", None, {}),
    ("GET", f"{DEFAULT}/configmaps/for-s1", None, {}),
    ("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/s2/token", {"spec": {}}, {}),
    ("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", {"metadata": {"name": "s3"}}, {}),
    ("GET", "/api/v1/namespaces", None, {}),
    ("GET", "/apis/certificates.k8s.io/v1/certificatesigningrequests", None, {}),
    ("PUT", "/apis/certificates.k8s.io/v1/certificatesigningrequests/s1/approval", asked("s1", "s1")[0], {}),
    ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles", None, {}),
    ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": "x"}}, {}),
]


@pytest.mark.usefixtures("referring")
async def test_an_agent_reaches_nothing_else(agent: Client) -> None:
    for method, path, body, query in OTHERS:
        error = await refused(agent, method, path, body, **query)
        assert (error.code, error.reason) == (403, "Forbidden"), f"{method} {path} {query}: {error}"


async def test_no_binding_gives_an_agent_more(client: Client, agent: Client) -> None:
    rbac = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    group = {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": GROUPS[1]}
    ref = {"kind": "ClusterRole", "apiGroup": "rbac.authorization.k8s.io", "name": "cluster-admin"}
    await client.raw("POST", rbac, body={"metadata": {"name": "x"}, "subjects": [group], "roleRef": ref})
    error = await refused(agent, "GET", f"{STARLINK}/tasks")
    assert error.code == 403 and error.message.endswith(REACHES)


async def test_what_is_referred_to_is_in_reach_for_as_long(api: Api, agent: Client, referring: Key) -> None:
    assert (await agent.get(SECRET, "for-s1", "default"))["metadata"]["name"] == "for-s1"
    with pytest.raises(Forbidden):
        await agent.get(CONFIG_MAP, "for-s1", "default")
    found = api.store.get(referring)
    assert found is not None
    await api.store.delete(referring, expect=found.revision)
    with pytest.raises(Forbidden):
        await agent.get(SECRET, "for-s1", "default")


# Joining


async def test_a_bootstrap_token_makes_an_agent(wire: Wire, client: Client) -> None:
    uids = {server: await add_account(client, server) for server in ("s1", "s2")}
    for server in uids:
        await client.create(SERVER, {"metadata": {"name": server}})
    token = await add_bootstrap_token(client, f"system:bootstrappers:{NAMESPACE}:s1")
    async with acting(wire, token=token) as joining:
        info = await whoami(joining)
        assert info["username"] == "system:bootstrap:abcdef"
        pair = await certificate_of(joining, "s1", "joins")
    made = await client.get(CSR, "joins")
    assert made["spec"]["username"] == "system:bootstrap:abcdef"
    assert [(c["type"], c["reason"]) for c in made["status"]["conditions"]] == [("Approved", "AutoApproved")]
    async with acting(wire, pair=pair) as agent:
        info = await whoami(agent)
        assert (info["username"], info["uid"]) == (account_of("s1"), uids["s1"])
        await agent.get(SERVER, "s1")
        assert (await refused(agent, "GET", f"{STARLINK}/servers/s2")).code == 403
        await client.delete(SERVICE_ACCOUNT, "s1", NAMESPACE)
        with pytest.raises(Unauthorized):
            await agent.get(SERVER, "s1")


async def test_a_bootstrap_token_is_for_its_server_only(wire: Wire, client: Client) -> None:
    for server in ("s1", "s2"):
        await add_account(client, server)
    tokens = [
        await add_bootstrap_token(client, f"system:bootstrappers:{NAMESPACE}:s1", "aaaaaa"),
        await add_bootstrap_token(client, f"system:bootstrappers:{NAMESPACE}", "bbbbbb"),
        await add_bootstrap_token(client, "", "cccccc"),
    ]
    for number, token in enumerate(tokens):
        async with acting(wire, token=token) as joining:
            await joining.create(CSR, asked("s2", f"other-{number}")[0])
    async with acting(wire, token=tokens[0]) as joining:
        await certificate_of(joining, "s1", "own")  # after it the others have been looked at
    for number in range(len(tokens)):
        assert not (await client.get(CSR, f"other-{number}")).get("status")


async def test_a_bootstrap_token_does_nothing_else(wire: Wire, client: Client) -> None:
    await add_account(client, "s1")
    token = await add_bootstrap_token(client, f"system:bootstrappers:{NAMESPACE}:s1")
    csrs = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    async with acting(wire, token=token) as joining:
        pair = await certificate_of(joining, "s1", "joins")
        for signer in ("kubernetes.io/kube-apiserver-client", "example.com/mine"):
            error = await refused(joining, "POST", csrs, asked("s1", "other", signerName=signer)[0])
            assert error.code == 403
            assert error.message == (
                'certificatesigningrequests.certificates.k8s.io "other" is forbidden: a bootstrap token may only ask '
                "signer starlink.dev/agent for a certificate"
            )
        for method, path, body, query in [
            ("GET", csrs, None, {}), ("GET", csrs, None, {"watch": "true"}), ("DELETE", f"{csrs}/joins", None, {}),
            ("PUT", f"{csrs}/joins/approval", asked("s1", "joins")[0], {}),
            ("PUT", f"{csrs}/joins/status", asked("s1", "joins")[0], {}),
            ("PUT", f"{csrs}/joins", asked("s1", "joins")[0], {}),
            ("GET", "/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef", None, {}),
            ("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/s1/token", {"spec": {}}, {}),
            *OTHERS[:-1], ("POST", f"{STARLINK}/servers", {"metadata": {"name": "s1"}}, {}),
        ]:  # fmt: skip
            error = await refused(joining, method, path, body, **query)
            assert (error.code, error.reason) == (403, "Forbidden"), f"{method} {path} {query}: {error}"
        await client.delete(SECRET, "bootstrap-token-abcdef", "kube-system")
        with pytest.raises(Unauthorized, match="there is no bootstrap token abcdef"):
            await joining.get(CSR, "joins")
    async with acting(wire, pair=pair) as agent:  # which does not end with the token
        await agent.create(SERVER, {"metadata": {"name": "s1"}})
