"""Which certificates are issued: the rules of the two signers, and signing with the authority's key.

`starlink.dev/agent` signs for a server's agent. The subject is CN `system:serviceaccount:starlink-servers:SERVER` and
O `system:serviceaccounts` and `system:serviceaccounts:starlink-servers`, nothing more; usages are `client auth` and,
if wished, `digital signature` and `key encipherment`; no names beside the subject. The certificate bears the UID of
the ServiceAccount, so that it ends with it. Such a request is approved without a person if it comes from that very
account, or from a bootstrap identity of that server: one in group `system:bootstrappers:starlink-servers:SERVER`.

`kubernetes.io/kube-apiserver-client` signs for any other client what a person has approved, but for service accounts
and for group system:masters: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers
"""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from starlink.api.labels import SERVER_NAMESPACE
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.security.certificates import signing_requests
from starlink.apiserver.security.certificates.extensions import authority_identifier, key_usage
from starlink.apiserver.security.certificates.signing_requests import AGENT_SIGNER, CLIENT_SIGNER
from starlink.http.message import ADMIN_GROUP
from starlink.http.subject import UID_OID, Account, account, organizations

MAX_SECONDS = 365 * 24 * 3600
BACKDATE_SECONDS = 300
BOOTSTRAPPERS = f"system:bootstrappers:{SERVER_NAMESPACE}:"
SIGNERS = (CLIENT_SIGNER, AGENT_SIGNER)
AccountUid = Callable[[str, str], str | None]
"""A ServiceAccount's UID by its namespace and name, None when there is none."""

_AGENT_GROUPS = {"system:serviceaccounts", f"system:serviceaccounts:{SERVER_NAMESPACE}"}
_USAGES = {"client auth", "digital signature", "key encipherment"}
_MIN_RSA_BITS = 2048


class NotIssued(Exception):
    """The signer's rules refuse the request; the message says which and what would be right."""


@dataclass(frozen=True, slots=True)
class Issue:
    """A certificate to sign: from `since` to `until` in epoch seconds."""

    subject: x509.Name
    public_key: bytes  # SubjectPublicKeyInfo, DER
    usages: tuple[str, ...]
    names: x509.SubjectAlternativeName | None
    since: float
    until: float


Signer = Callable[[Issue], bytes]
"""Signs, and gives PEM. Raises OSError or ValueError when the authority's key can't be read."""


def is_approved_unasked(csr: Obj, account_uid: AccountUid) -> bool:
    """Whether the request is approved without a person; see above."""
    spec = csr["spec"]
    if spec["signerName"] != AGENT_SIGNER:
        return False
    try:
        request = signing_requests.parse(spec["request"])
        agent = _agent(request, spec["usages"], account_uid)
    except (NotIssued, ValueError):
        return False
    itself = f"system:serviceaccount:{agent.namespace}:{agent.name}"
    by_itself = (spec.get("username"), spec.get("uid")) == (itself, agent.uid)
    return by_itself or f"{BOOTSTRAPPERS}{agent.name}" in (spec.get("groups") or ())


def issue(csr: Obj, account_uid: AccountUid, now: float) -> Issue:
    """What an approved request is to be given; `now` in epoch seconds. Raises NotIssued."""
    spec = csr["spec"]
    try:
        request = signing_requests.parse(spec["request"])
    except ValueError as error:
        raise NotIssued(f"spec.request: {error}") from None
    if spec["signerName"] == AGENT_SIGNER:
        subject, names = _agent_subject(_agent(request, spec["usages"], account_uid)), None
    else:
        subject, names = _client_subject(request, spec["usages"]), _names(request)
    seconds = min(spec.get("expirationSeconds") or MAX_SECONDS, MAX_SECONDS)
    key = request.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Issue(subject, key, tuple(spec["usages"]), names, now - BACKDATE_SECONDS, now + seconds)


def _agent(request: x509.CertificateSigningRequest, usages: Sequence[str], account_uid: AccountUid) -> Account:
    """The agent's account, with its UID as it is now. Raises NotIssued."""
    _check_usages(usages)
    _check_key(request)
    named = account(request.subject)
    if named is None or named.namespace != SERVER_NAMESPACE:
        raise NotIssued(f"the subject's common name must be system:serviceaccount:{SERVER_NAMESPACE}:SERVER")
    others = {part.oid for part in request.subject} - {NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, UID_OID}
    if sorted(organizations(request.subject)) != sorted(_AGENT_GROUPS) or others:
        raise NotIssued(f"the subject's organizations must be {', '.join(sorted(_AGENT_GROUPS))}, and nothing else")
    if _names(request) is not None:
        raise NotIssued("an agent's certificate bears no subject alternative names")
    uid = account_uid(named.namespace, named.name)
    if uid is None:
        raise NotIssued(f"there is no service account {named.namespace}/{named.name}")
    if named.uid not in ("", uid):
        raise NotIssued(f"the subject's UID is not that of service account {named.namespace}/{named.name}")
    return named._replace(uid=uid)


def _agent_subject(agent: Account) -> x509.Name:
    user = f"system:serviceaccount:{agent.namespace}:{agent.name}"
    groups = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in sorted(_AGENT_GROUPS)]
    identity = [x509.NameAttribute(NameOID.COMMON_NAME, user), x509.NameAttribute(UID_OID, agent.uid)]
    return x509.Name([*groups, *identity])


def _client_subject(request: x509.CertificateSigningRequest, usages: Sequence[str]) -> x509.Name:
    _check_usages(usages)
    _check_key(request)
    subject = request.subject
    names = [str(part.value) for part in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if any(name.startswith("system:serviceaccount:") for name in names):
        raise NotIssued(f"a service account's certificate is signed by {AGENT_SIGNER} only")
    if ADMIN_GROUP in organizations(subject):
        raise NotIssued(f"use of {CLIENT_SIGNER} signer with {ADMIN_GROUP} group is not allowed")
    return subject


def _check_usages(usages: Sequence[str]) -> None:
    if "client auth" not in usages or not set(usages) <= _USAGES:
        raise NotIssued(f"usages must include client auth and be of {', '.join(sorted(_USAGES))}")


def _check_key(request: x509.CertificateSigningRequest) -> None:
    key = request.public_key()
    strong = isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= 256
    strong = strong or (isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MIN_RSA_BITS)
    if not strong and not isinstance(key, ed25519.Ed25519PublicKey):
        raise NotIssued(f"the key must be EC of 256 bits, Ed25519 or RSA of {_MIN_RSA_BITS} bits or more")


def _names(request: x509.CertificateSigningRequest) -> x509.SubjectAlternativeName | None:
    try:
        return request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def authority_signer(certificate: Path, key: Path) -> Signer:
    """A signer over the authority's files. They are read for each certificate, so that a rotated authority is used
    at once."""

    def sign(asked: Issue) -> bytes:
        private = serialization.load_pem_private_key(key.read_bytes(), None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{key} holds no EC private key; restore the pki folder from a backup")
        authorities = x509.load_pem_x509_certificates(certificate.read_bytes())
        authority = next((found for found in authorities if found.public_key() == private.public_key()), None)
        if authority is None:
            raise ValueError(f"{key} is not the key of {certificate}; restore the pki folder from a backup")
        return _signed(asked, authority, private).public_bytes(serialization.Encoding.PEM)

    return sign


def _signed(asked: Issue, authority: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    public = serialization.load_der_public_key(asked.public_key)
    assert isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)
    since, until = (datetime.datetime.fromtimestamp(moment, datetime.UTC) for moment in (asked.since, asked.until))
    builder = (
        x509.CertificateBuilder()
        .subject_name(asked.subject)
        .issuer_name(authority.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(since, authority.not_valid_before_utc))
        .not_valid_after(min(until, authority.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(asked.usages), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(authority_identifier(authority, key), critical=False)
    )
    if asked.names is not None:
        builder = builder.add_extension(asked.names, critical=False)
    return builder.sign(key, hashes.SHA256())


def _key_usage(usages: Sequence[str]) -> x509.KeyUsage:
    plain = "digital signature" not in usages and "key encipherment" not in usages
    return key_usage(signature=plain or "digital signature" in usages, encipherment="key encipherment" in usages)
