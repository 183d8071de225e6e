"""CertificateSigningRequests, from the request to the certificate."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.conftest import soon
from tests.integration.apiserver.kubectl import kubectl_of
from tests.integration.conftest import Core, Wire

from starlink.apiserver.handler import Api
from starlink.apiserver.resources.encoding import raw
from starlink.apiserver.security.certificates import signing_requests as certificates
from starlink.apiserver.security.certificates.pki import Pki
from starlink.http.message import User
from starlink.http.subject import account as account_of
from starlink.store.base import Key

CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
CLIENT = "kubernetes.io/kube-apiserver-client"
AGENT = "system:serviceaccount:starlink-servers:s1"
GROUPS = ("system:serviceaccounts", "system:serviceaccounts:starlink-servers")
JANE = User("jane", ("builders", "system:authenticated"))
Read = Callable[[str], dict[str, Any]]


def pem(cn: str, groups: tuple[str, ...] = ()) -> str:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject = x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, cn)])
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


def csr(name: str, cn: str = "bob", groups: tuple[str, ...] = (), **spec: Any) -> dict[str, Any]:
    given = {"request": pem(cn, groups), "signerName": CLIENT, "usages": ["client auth"], **spec}
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": given,
    }


def decided(kind: str, reason: str = "Because") -> dict[str, Any]:
    return {"status": {"conditions": [{"type": kind, "status": "True", "reason": reason, "message": "m"}]}}


@pytest.fixture
def read(api: Api, pki: Pki) -> Read:
    pki.server(["127.0.0.1"])  # makes the authority

    def status(name: str) -> dict[str, Any]:
        record = api.store.get(Key(certificates.STORAGE, "", name))
        assert record is not None
        found: dict[str, Any] = raw(record).get("status") or {}
        return found

    return status


async def allow(core: Core, user: str, *rules: dict[str, Any]) -> None:
    await core("POST", f"{RBAC}/clusterroles", {"metadata": {"name": user}, "rules": list(rules)})
    subject = {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
    ref = {"kind": "ClusterRole", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
    made = await core(
        "POST", f"{RBAC}/clusterrolebindings", {"metadata": {"name": user}, "roleRef": ref, "subjects": [subject]}
    )
    assert made.status == 201


def on(resource: str, *verbs: str, names: tuple[str, ...] = ()) -> dict[str, Any]:
    rule: dict[str, Any] = {"apiGroups": ["certificates.k8s.io"], "resources": [resource], "verbs": list(verbs)}
    return {**rule, "resourceNames": list(names)} if names else rule


async def issued(read: Read, name: str) -> x509.Certificate:
    text = await soon(lambda: read(name).get("certificate"), "the certificate")
    return x509.load_pem_x509_certificate(base64.b64decode(text))


async def test_from_request_to_certificate(core: Core, read: Read, pki: Pki) -> None:
    await allow(core, "jane", on("certificatesigningrequests", "create", "get"))
    asked = csr("bob", groups=("builders",), expirationSeconds=3600)
    asked["spec"].update(username="admin", groups=["system:masters"], uid="0")
    made = await core("POST", CSRS, asked, user=JANE)
    assert made.status == 201, made.body
    assert (made.body["spec"]["username"], made.body["spec"]["groups"]) == ("jane", list(JANE.groups))
    assert "uid" not in made.body["spec"] and made.body["status"] == {}
    approved = await core.merge(f"{CSRS}/bob/approval", decided("Approved"))
    (condition,) = approved.body["status"]["conditions"]
    assert condition["lastUpdateTime"] and condition["lastTransitionTime"]
    certificate = await issued(read, "bob")
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(pki.ca.read_bytes()))
    assert certificate.subject.rfc4514_string() == "CN=bob,O=builders"
    assert account_of(certificate.subject) is None
    table = await core("GET", CSRS, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert [column["name"] for column in table.body["columnDefinitions"]] == [
        "Name", "Age", "SignerName", "Requestor", "RequestedDuration", "Condition",
    ]  # fmt: skip
    assert table.body["rows"][0]["cells"][2:] == [CLIENT, "jane", "60m", "Approved,Issued"]


async def test_an_agents_request_needs_nobody(core: Core, read: Read) -> None:
    account = await core("POST", "/api/v1/namespaces/starlink-servers/serviceaccounts", {"metadata": {"name": "s1"}})
    uid = account.body["metadata"]["uid"]
    agent = User(AGENT, (*GROUPS, "system:authenticated"), uid)
    asked = csr("s1", AGENT, GROUPS, signerName="starlink.dev/agent")
    assert (await core("POST", CSRS, asked, user=agent)).status == 201
    certificate = await issued(read, "s1")
    assert account_of(certificate.subject) == ("starlink-servers", "s1", uid)
    (condition,) = read("s1")["conditions"]
    assert (condition["type"], condition["reason"]) == ("Approved", "AutoApproved")
    assert (await core("GET", f"{CSRS}/s1", user=agent)).body["status"]["certificate"]
    assert (await core("PUT", f"{CSRS}/s1/approval", asked, user=agent)).status == 403


async def test_an_agent_gets_nothing_for_another_server(core: Core, read: Read) -> None:
    for name in ("s1", "s2"):
        await core("POST", "/api/v1/namespaces/starlink-servers/serviceaccounts", {"metadata": {"name": name}})
    agent = User(AGENT.replace("s1", "s2"), (*GROUPS, "system:authenticated"), "u2")
    body = csr("other", AGENT, GROUPS, signerName="starlink.dev/agent")
    assert (await core("POST", CSRS, body, user=agent)).status == 403
    await core("POST", CSRS, body)
    await core("POST", CSRS, csr("last"))
    await core.merge(f"{CSRS}/last/approval", decided("Approved"))
    await issued(read, "last")
    assert read("other") == {}


async def test_what_the_signer_refuses_fails(core: Core, read: Read) -> None:
    await core("POST", CSRS, csr("x", usages=["client auth", "server auth"]))
    await core.merge(f"{CSRS}/x/approval", decided("Approved"))
    await soon(lambda: len(read("x")["conditions"]) == 2, "the condition")
    failed = read("x")["conditions"][1]
    assert (failed["type"], failed["status"], failed["reason"]) == ("Failed", "True", "SignerValidationFailure")
    assert "usages must include client auth" in failed["message"] and "certificate" not in read("x")


async def test_a_denied_request_stays_so(core: Core, read: Read) -> None:
    await core("POST", CSRS, csr("x"))
    assert (await core.merge(f"{CSRS}/x/approval", decided("Denied"))).status == 200
    refused = await core.merge(f"{CSRS}/x/approval", decided("Approved"))
    assert refused.status == 422
    assert 'updates may not remove a condition of type "Denied"' in refused.body["message"]
    both = [*decided("Denied")["status"]["conditions"], *decided("Approved")["status"]["conditions"]]
    refused = await core.merge(f"{CSRS}/x/approval", {"status": {"conditions": both}})
    assert "Approved and Denied conditions are mutually exclusive" in refused.body["message"]
    assert "certificate" not in read("x")


async def test_approving_needs_the_verb_on_the_signer(core: Core) -> None:
    await core("POST", CSRS, csr("x"))
    update = on("certificatesigningrequests/approval", "update", "patch")
    await allow(core, "jane", update)
    refused = await core.merge(f"{CSRS}/x/approval", decided("Approved"), user=JANE)
    assert refused.status == 403 and refused.body["message"] == (
        'certificatesigningrequests.certificates.k8s.io "x" is forbidden: user not permitted to approve requests with '
        'signerName "kubernetes.io/kube-apiserver-client"'
    )
    await allow(core, "joe", update, on("signers", "approve", names=("kubernetes.io/*",)))
    assert (await core.merge(f"{CSRS}/x/approval", decided("Approved"), user=User("joe"))).status == 200


async def test_signing_elsewhere_needs_its_verb_too(core: Core, pki: Pki) -> None:
    pki.server(["127.0.0.1"])
    await core("POST", CSRS, csr("x", signerName="example.com/mine"))
    await core.merge(f"{CSRS}/x/approval", decided("Approved"))
    text = base64.b64encode(pki.ca.read_bytes()).decode()
    await allow(core, "jane", on("certificatesigningrequests/status", "patch"))
    patch = {"status": {"certificate": text}}
    refused = await core.merge(f"{CSRS}/x/status", patch, user=JANE)
    assert refused.status == 403
    assert 'user not permitted to sign requests with signerName "example.com/mine"' in refused.body["message"]
    bad = await core.merge(f"{CSRS}/x/status", {"status": {"certificate": "eA=="}})
    assert bad.status == 422 and "status.certificate" in bad.body["message"]
    added = await core.merge(f"{CSRS}/x/status", {"status": {"conditions": []}})
    assert 'updates may not remove a condition of type "Approved"' in added.body["message"]
    assert (await core.merge(f"{CSRS}/x/status", patch)).status == 200
    again = await core.merge(f"{CSRS}/x/status", {"status": {"certificate": ""}})
    assert "updates may not modify existing certificate content" in again.body["message"]


async def test_the_spec_stays_as_it_was_asked(core: Core) -> None:
    made = await core("POST", CSRS, csr("x"))
    changed = await core.merge(
        f"{CSRS}/x", {"spec": {"username": "root", "usages": ["any"]}, "metadata": {"labels": {"a": "b"}}}
    )
    assert changed.status == 200 and changed.body["spec"] == made.body["spec"]
    assert changed.body["metadata"]["labels"] == {"a": "b"}


@pytest.mark.parametrize(
    ("spec", "field", "said"),
    [
        ({"request": "bm90IHBlbQ=="}, "spec.request", "PEM block type must be CERTIFICATE REQUEST"),
        ({"usages": ["fly"]}, "spec.usages[0]", 'Unsupported value: "fly"'),
        ({"usages": ["client auth", "client auth"]}, "spec.usages[1]", "Duplicate value"),
        ({"signerName": "plain"}, "spec.signerName", "must be a fully qualified domain and path of the form"),
        ({"signerName": "kubernetes.io/legacy-unknown"}, "spec.signerName", "the legacy signerName is not allowed"),
        ({"expirationSeconds": 599}, "spec.expirationSeconds", "may not specify a duration less than 600 seconds"),
    ],
)
async def test_what_is_refused(core: Core, spec: dict[str, Any], field: str, said: str) -> None:
    refused = await core("POST", CSRS, csr("x", **spec))
    assert (refused.status, refused.body["reason"]) == (422, "Invalid")
    (cause,) = refused.body["details"]["causes"]
    assert cause["field"] == field and said in cause["message"]


async def test_a_request_that_is_no_base64_is_none(core: Core) -> None:
    refused = await core("POST", CSRS, csr("x", request="%%%"))
    assert (refused.status, refused.body["reason"]) == (400, "BadRequest")
    assert "spec.request" in refused.body["message"]


async def test_no_certificate_makes_an_administrator(core: Core) -> None:
    refused = await core("POST", CSRS, csr("x", groups=("system:masters",)))
    assert refused.status == 403
    assert f"use of {CLIENT} signer with system:masters group is not allowed" in refused.body["message"]


async def test_a_tampered_request_is_refused(core: Core) -> None:
    good = base64.b64decode(pem("bob"))
    der = bytearray(base64.b64decode(b"".join(good.splitlines()[1:-1])))
    der[-1] ^= 1
    text = b"-----BEGIN CERTIFICATE REQUEST-----\n%s\n-----END CERTIFICATE REQUEST-----\n" % base64.b64encode(der)
    refused = await core("POST", CSRS, csr("x", request=base64.b64encode(text).decode()))
    assert refused.status == 422 and "signature" in refused.body["message"]


async def test_with_kubectl(core: Core, read: Read, wire: Wire, tmp_path: Path) -> None:
    await core("POST", CSRS, csr("x", expirationSeconds=86400))
    await core("POST", CSRS, csr("y"))
    kubectl = kubectl_of(wire, tmp_path)
    assert (
        "certificatesigningrequest.certificates.k8s.io/x approved"
        in (await kubectl("certificate", "approve", "x")).stdout
    )
    assert (
        "certificatesigningrequest.certificates.k8s.io/y denied" in (await kubectl("certificate", "deny", "y")).stdout
    )
    await issued(read, "x")
    header, first, second = (await kubectl("get", "csr")).stdout.splitlines()
    assert header.split() == ["NAME", "AGE", "SIGNERNAME", "REQUESTOR", "REQUESTEDDURATION", "CONDITION"]
    assert first.split()[2:] == [CLIENT, "admin", "24h", "Approved,Issued"]
    assert second.split()[2:] == [CLIENT, "admin", "<none>", "Denied"]
    assert "Requesting User:" in (await kubectl("describe", "csr", "x")).stdout


async def test_old_requests_are_swept_away(api: Api, core: Core) -> None:
    await core("POST", CSRS, csr("new"))
    await api._certificates.delete_done()
    assert (await core("GET", f"{CSRS}/new")).status == 200
    api._certificates._now = lambda: api._now() + 25 * 3600
    await api._certificates.delete_done()
    assert (await core("GET", f"{CSRS}/new")).status == 404
