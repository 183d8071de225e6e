"""CertificateSigningRequests: asked for, approved or denied, signed.

https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/
"""

import base64
import datetime
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.conformance.clients import Door, Grants, door, grant, rule, subject, unique, who_am_i
from tests.conformance.conftest import SECONDS, Http, causes, condition
from tests.conftest import Kubectl, eventually

__all__ = ["door", "grant"]

As = Callable[..., Http]
GROUP = "certificates.k8s.io"
CSRS = f"/apis/{GROUP}/v1/certificatesigningrequests"
CLIENT = "kubernetes.io/kube-apiserver-client"
NOBODY = "conformance.example.com/nobody"
"""A signer that nobody serves."""


def asked(name: str, user: str = "jane", groups: Sequence[str] = (), **spec: Any) -> tuple[dict[str, Any], str]:
    """A CertificateSigningRequest and its private key, base64 of PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject = x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, user)])
    signed = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    request = base64.b64encode(signed.public_bytes(pem)).decode()
    whole = {"request": request, "signerName": CLIENT, "usages": ["client auth"], **spec}
    body = {"apiVersion": f"{GROUP}/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name}, "spec": whole}
    return body, base64.b64encode(private).decode()


def self_signed() -> str:
    """Some certificate, base64 of PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jane")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(hours=1))
    return base64.b64encode(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)).decode()


def decision(type_: str) -> dict[str, str]:
    return {"type": type_, "status": "True", "reason": "Conformance", "message": "as asked"}


def decide(http: Http, name: str, *conditions: dict[str, str]) -> Any:
    """The answer to a write of the approval."""
    found = http.get(f"{CSRS}/{name}").expect(200)
    return http.put(f"{CSRS}/{name}/approval", {**found, "status": {"conditions": list(conditions)}})


@pytest.fixture
def name(http: Http) -> Iterator[str]:
    """The name of a request, which is deleted when the test ends."""
    made = unique("conformance")
    yield made
    http.delete(f"{CSRS}/{made}")


def test_who_asks_is_not_forged(http_as: As, grant: Grants, name: str) -> None:
    user = unique("user")
    grant("", subject(user), rule(["create", "get"], ["certificatesigningrequests"], GROUP))
    body, _ = asked(name, username="admin", groups=["system:masters"], uid="1", signerName=NOBODY)
    body["spec"]["groups"] = ["system:masters"]
    body["status"] = {"conditions": [decision("Approved")]}
    made = http_as(user, ["team"]).post(CSRS, body).expect(201)
    assert made["spec"]["username"] == user
    assert made["spec"]["groups"] == ["team", "system:authenticated"]
    assert made["spec"].get("uid", "") == ""
    assert not made["status"].get("conditions")


def test_what_is_asked_does_not_change(http: Http, name: str) -> None:
    body, _ = asked(name, signerName=NOBODY)
    made = http.post(CSRS, body).expect(201)
    changed = {**made, "spec": {**made["spec"], "username": "mallory", "usages": ["server auth"]}}
    assert http.put(f"{CSRS}/{name}", changed).expect(200)["spec"] == made["spec"]


def test_an_approved_request_becomes_a_certificate(http: Http, door: Door, name: str) -> None:
    user, group = unique("user"), unique("group")
    body, key = asked(name, user, [group])
    http.post(CSRS, body).expect(201)
    assert not http.get(f"{CSRS}/{name}").expect(200)["status"].get("certificate")
    approved = decide(http, name, decision("Approved")).expect(200)
    assert condition(approved, "Approved") == "True"
    assert approved["status"]["conditions"][0]["lastUpdateTime"]

    def issued() -> Any:
        return http.get(f"{CSRS}/{name}").expect(200)["status"].get("certificate")

    certificate = eventually(issued, "the certificate", SECONDS)
    loaded = x509.load_pem_x509_certificate(base64.b64decode(certificate))
    assert loaded.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == user
    info = who_am_i(door({"client-certificate-data": certificate, "client-key-data": key}))
    assert info["username"] == user
    assert set(info["groups"]) == {group, "system:authenticated"}


def test_a_short_certificate(http: Http, name: str) -> None:
    body, _ = asked(name, expirationSeconds=600)
    http.post(CSRS, body).expect(201)
    decide(http, name, decision("Approved")).expect(200)
    issued = eventually(
        lambda: http.get(f"{CSRS}/{name}").json["status"].get("certificate"), "the certificate", SECONDS
    )
    loaded = x509.load_pem_x509_certificate(base64.b64decode(issued))
    assert (loaded.not_valid_after_utc - loaded.not_valid_before_utc).total_seconds() <= 600 + 600  # skew is allowed


def test_a_denied_request(http: Http, name: str) -> None:
    http.post(CSRS, asked(name)[0]).expect(201)
    assert condition(decide(http, name, decision("Denied")).expect(200), "Denied") == "True"
    refused = decide(http, name, decision("Denied"), decision("Approved")).fails(422, "Invalid")
    assert "Approved and Denied conditions are mutually exclusive" in refused["message"]
    refused = decide(http, name).fails(422, "Invalid")
    assert 'updates may not remove a condition of type "Denied"' in refused["message"]
    assert not http.get(f"{CSRS}/{name}").json["status"].get("certificate")


def test_a_certificate_that_its_signer_does_not_give(http: Http, name: str) -> None:
    http.post(CSRS, asked(name, usages=["server auth"])[0]).expect(201)
    decide(http, name, decision("Approved")).expect(200)
    eventually(lambda: condition(http.get(f"{CSRS}/{name}").json, "Failed") == "True", "it has failed", SECONDS)
    assert not http.get(f"{CSRS}/{name}").json["status"].get("certificate")


def test_approving_must_be_allowed(http: Http, http_as: As, grant: Grants, name: str) -> None:
    user = unique("user")
    http.post(CSRS, asked(name, signerName=NOBODY)[0]).expect(201)
    of_requests = rule(["get", "update"], ["certificatesigningrequests", "certificatesigningrequests/approval"], GROUP)
    grant("", subject(user), of_requests)
    me = http_as(user)
    refused = decide(me, name, decision("Approved")).fails(403, "Forbidden")
    assert f'user not permitted to approve requests with signerName "{NOBODY}"' in refused["message"]
    grant("", subject(user), rule(["approve"], ["signers"], GROUP, ["conformance.example.com/*"]))
    decide(me, name, decision("Approved")).expect(200)


def test_signing_must_be_allowed(http: Http, http_as: As, grant: Grants, name: str) -> None:
    user = unique("user")
    http.post(CSRS, asked(name, signerName=NOBODY)[0]).expect(201)
    writes = ["certificatesigningrequests", "certificatesigningrequests/status"]
    grant("", subject(user), rule(["get", "patch"], writes, GROUP))
    certificate = self_signed()
    refused = (
        http_as(user).patch(f"{CSRS}/{name}/status", {"status": {"certificate": certificate}}).fails(403, "Forbidden")
    )
    assert f'user not permitted to sign requests with signerName "{NOBODY}"' in refused["message"]


def test_nobody_becomes_an_administrator(http: Http, name: str) -> None:
    refused = http.post(CSRS, asked(name, groups=["system:masters"])[0]).fails(403, "Forbidden")
    why = "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"
    assert why in refused["message"]


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no PEM": ({"request": base64.b64encode(b"hello").decode()}, "spec.request", "PEM block type must be CERTIFICATE REQUEST"),
    "signer without a path": ({"signerName": "nobody"}, "spec.signerName", "must be a fully qualified domain and path of the form 'example.com/signer-name'"),
    "no signer": ({"signerName": ""}, "spec.signerName", "Required value"),
    "too short": ({"expirationSeconds": 599}, "spec.expirationSeconds", "may not specify a duration less than 600 seconds (10 minutes)"),
    "no usages": ({"usages": []}, "spec.usages", "Required value"),
    "unknown usage": ({"usages": ["juggling"]}, "spec.usages[0]", "Unsupported value"),
    "usage twice": ({"usages": ["client auth", "client auth"]}, "spec.usages[1]", "Duplicate value"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_requests(http: Http, name: str, case: str) -> None:
    changes, field, why = BAD[case]
    refused = http.post(CSRS, asked(name, **changes)[0]).fails(422, "Invalid")
    assert why in causes(refused).get(field, ""), refused


def test_requests_of_a_signer(http: Http, name: str) -> None:
    http.post(CSRS, asked(name, signerName=NOBODY)[0]).expect(201)
    listed = http.get(CSRS, fieldSelector=f"spec.signerName={NOBODY}").expect(200)["items"]
    assert name in {one["metadata"]["name"] for one in listed}
    others = http.get(CSRS, fieldSelector=f"spec.signerName={CLIENT}").expect(200)["items"]
    assert name not in {one["metadata"]["name"] for one in others}


def test_kubectl_approves_and_denies(http: Http, kubectl: Kubectl, name: str) -> None:
    http.post(CSRS, asked(name)[0]).expect(201)
    row = kubectl("get", "csr", name, "--no-headers").stdout.split()
    assert row[0] == name and row[2] == CLIENT and row[-1] == "Pending"
    assert (
        f"certificatesigningrequest.certificates.k8s.io/{name} approved"
        in kubectl("certificate", "approve", name).stdout
    )
    eventually(
        lambda: kubectl("get", "csr", name, "--no-headers").stdout.split()[-1] == "Approved,Issued", "issued", SECONDS
    )
    http.delete(f"{CSRS}/{name}").expect(200)
    http.post(CSRS, asked(name)[0]).expect(201)
    assert "denied" in kubectl("certificate", "deny", name).stdout
    assert kubectl("get", "csr", name, "--no-headers").stdout.split()[-1] == "Denied"
