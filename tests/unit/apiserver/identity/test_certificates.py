"""Which certificate requests are refused, approved unasked, and issued; and when they are swept away."""

import base64
import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from starlink.api.timestamp import format_time
from starlink.apiserver.controllers import signing
from starlink.apiserver.security.certificates import issuing
from starlink.apiserver.security.certificates import signing_requests as certificates
from starlink.apiserver.security.certificates.issuing import NotIssued
from starlink.apiserver.security.certificates.pki import Pki
from starlink.apiserver.security.certificates.signing_requests import AGENT_SIGNER, CLIENT_SIGNER
from starlink.http.message import User
from starlink.http.subject import UID_OID, Account, account, organizations

NOW = 1_700_000_000.0
AGENT = "system:serviceaccount:starlink-servers:s1"
GROUPS = ("system:serviceaccounts", "system:serviceaccounts:starlink-servers")
KEY = ec.generate_private_key(ec.SECP256R1())
CLIENT_AUTH = ("client auth", "digital signature")


def request(
    cn: str = AGENT, groups: Any = GROUPS, *, key: Any = KEY, uid: str = "", dns: str = "", email: str = ""
) -> str:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    parts += [x509.NameAttribute(NameOID.COMMON_NAME, cn)]
    parts += [x509.NameAttribute(UID_OID, uid)] if uid else []
    parts += [x509.NameAttribute(NameOID.EMAIL_ADDRESS, email)] if email else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(parts))
    if dns:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return base64.b64encode(pem).decode()


def csr(text: str, signer: str = AGENT_SIGNER, usages: Any = CLIENT_AUTH, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "c", "creationTimestamp": format_time(NOW)},
        "spec": {"request": text, "signerName": signer, "usages": list(usages), **spec},
    }


def uid_of(namespace: str, name: str) -> str | None:
    return "u1" if (namespace, name) == ("starlink-servers", "s1") else None


ITSELF: Any = {"username": AGENT, "uid": "u1", "groups": [*GROUPS, "system:authenticated"]}
BOOTSTRAP: Any = {"username": "system:bootstrap:abc", "groups": ["system:bootstrappers:starlink-servers:s1"]}


def test_an_agents_own_request_is_approved_unasked() -> None:
    assert issuing.is_approved_unasked(csr(request(), **ITSELF), uid_of)
    assert issuing.is_approved_unasked(csr(request(), **BOOTSTRAP), uid_of)


@pytest.mark.parametrize(
    "asked",
    [
        csr(request(), username="jane"),
        csr(request(), **{**ITSELF, "uid": "u0"}),
        csr(request(), **{**ITSELF, "uid": ""}),
        csr(request(AGENT.replace("s1", "s2")), **ITSELF),
        csr(request(), **{**BOOTSTRAP, "groups": ["system:bootstrappers:starlink-servers:s2"]}),
        csr(request(), **{**BOOTSTRAP, "groups": ["system:bootstrappers"]}),
        csr(request(groups=("system:masters", *GROUPS)), **ITSELF),
        csr(request(groups=()), **ITSELF),
        csr(request("admin"), **ITSELF),
        csr(request(uid="u0"), **ITSELF),
        csr(request(dns="a.example.com"), **ITSELF),
        csr(request(email="a@example.com"), **ITSELF),
        csr(request(), usages=("client auth", "server auth"), **ITSELF),
        csr(request(), usages=("digital signature",), **ITSELF),
        csr(request(), CLIENT_SIGNER, **ITSELF),
        csr("bm90IHBlbQ==", **ITSELF),
    ],
)
def test_nothing_else_is(asked: dict[str, Any]) -> None:
    assert not issuing.is_approved_unasked(asked, uid_of)


def test_the_certificate_of_an_agent_bears_its_accounts_uid(tmp_path: Path) -> None:
    pki = Pki(tmp_path, datetime.datetime.fromtimestamp(NOW, datetime.UTC))
    pki.server(["127.0.0.1"])
    sign = issuing.authority_signer(pki.ca, pki.folder / "ca.key")
    asked = issuing.issue(csr(request(), expirationSeconds=3600), uid_of, NOW)
    made = x509.load_pem_x509_certificate(sign(asked))
    made.verify_directly_issued_by(x509.load_pem_x509_certificate(pki.ca.read_bytes()))
    assert account(made.subject) == Account("starlink-servers", "s1", "u1")
    assert organizations(made.subject) == sorted(GROUPS)
    assert made.not_valid_after_utc.timestamp() == NOW + 3600
    assert made.not_valid_before_utc.timestamp() == NOW - issuing.BACKDATE_SECONDS
    assert made.public_key() == KEY.public_key()
    basic = made.extensions.get_extension_for_class(x509.BasicConstraints).value
    usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
    extended = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert not basic.ca and usage.digital_signature and not usage.key_cert_sign and len(extended) == 1


def test_no_certificate_outlives_a_year() -> None:
    for seconds in (None, 2**31 - 1):
        assert issuing.issue(csr(request(), expirationSeconds=seconds), uid_of, NOW).until == NOW + issuing.MAX_SECONDS


def test_a_signer_over_the_wrong_key_says_so(tmp_path: Path) -> None:
    now = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    one, other = Pki(tmp_path / "a", now), Pki(tmp_path / "b", now)
    one.server(["a"]), other.server(["a"])
    asked = issuing.issue(csr(request()), uid_of, NOW)
    with pytest.raises(ValueError, match=r"is not the key of .*ca\.crt"):
        issuing.authority_signer(one.ca, other.folder / "ca.key")(asked)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (csr(request(AGENT.replace("s1", "gone"))), "there is no service account starlink-servers/gone"),
        (csr(request("jane")), "common name must be system:serviceaccount:starlink-servers:SERVER"),
        (csr(request(groups=["x"])), "organizations must be"),
        (csr(request(), usages=["server auth"]), "usages must include client auth"),
        (csr(request(AGENT), CLIENT_SIGNER), "signed by starlink.dev/agent only"),
        (csr(request("jane", ["system:masters"]), CLIENT_SIGNER), "with system:masters group is not allowed"),
    ],
)
def test_what_is_not_issued_says_why(asked: dict[str, Any], why: str) -> None:
    with pytest.raises(NotIssued, match=why):
        issuing.issue(asked, uid_of, NOW)


def test_a_weak_key_is_not_certified() -> None:
    weak = rsa.generate_private_key(65537, 1024)
    with pytest.raises(NotIssued, match="RSA of 2048 bits or more"):
        issuing.issue(csr(request("jane", key=weak), CLIENT_SIGNER), uid_of, NOW)


def test_account_of() -> None:
    def subject(cn: str, *uids: str) -> x509.Name:
        parts = [x509.NameAttribute(NameOID.COMMON_NAME, cn), *(x509.NameAttribute(UID_OID, uid) for uid in uids)]
        return x509.Name(parts)

    assert account(subject("jane", "u1")) is None
    assert account(subject("system:serviceaccount:a")) is None
    assert account(subject("system:serviceaccount:a:b", "u1")) == Account("a", "b", "u1")
    assert account(subject("system:serviceaccount:a:b")) == Account("a", "b", "")
    assert account(subject("system:serviceaccount:a:b", "u1", "u2")) == Account("a", "b", "")


def test_who_asks_can_not_be_forged() -> None:
    asked = csr(request(), username="root", uid="u9", groups=["system:masters"], extra={"a": ["b"]})
    certificates.prepare(asked, None, User("jane", ("builders",)), NOW)
    spec = asked["spec"]
    assert (spec["username"], spec["groups"]) == ("jane", ["builders"]) and not {"uid", "extra"} & set(spec)


def aged(kind: str = "", certificate: str = "") -> dict[str, Any]:
    told = {"type": kind, "status": "True", "lastUpdateTime": format_time(NOW)}
    status = {"conditions": [told] if kind else [], **({"certificate": certificate} if certificate else {})}
    return {**csr(request()), "status": status}


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        (aged(), 24 * 3600),
        (aged("Approved"), 24 * 3600),
        (aged("Approved", "eA=="), 3600),
        (aged("Denied"), 3600),
        (aged("Failed"), 3600),
    ],
)
def test_what_is_done_is_swept_away(found: dict[str, Any], kept: int) -> None:
    assert not signing.is_done(found, NOW + kept - 1)
    assert signing.is_done(found, NOW + kept + 1)


def test_a_request_that_is_none_is_told_in_our_words() -> None:
    """A library's may hold a part of what it was given."""
    pem = b"-----BEGIN CERTIFICATE REQUEST-----\naHVudGVyMg==\n-----END CERTIFICATE REQUEST-----\n"
    with pytest.raises(ValueError, match=r"^can't be read as a PKCS#10 request; make one with `openssl req -new`$"):
        certificates.parse(base64.b64encode(pem).decode())
