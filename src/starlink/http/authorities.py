"""Client certificates: whether an authority of ours vouches for one, and whom it names.

The rules and words of a refusal are those of Go's crypto/x509, which the real server uses:
https://pkg.go.dev/crypto/x509#Certificate.Verify
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from starlink.http.message import AUTHENTICATED, User
from starlink.http.subject import MALFORMED, organizations, uid_of

_KEPT = 4096
_LONGEST = 4096
"""Bytes of a certificate that is remembered; usual ones have up to 2,000, and a stranger's as many as TLS takes."""
_UNKNOWN = "x509: certificate signed by unknown authority"


class InvalidCertificate(Exception):
    """The certificate does not prove an identity; the message says why."""


class AuthoritiesRefused(Exception):
    """A file of authorities can't be used; the message names it."""


@dataclass(frozen=True, slots=True)
class _Finding:
    """What does not change about a certificate: from when to when it is good in epoch seconds, whom it names,
    why it is not good at any time, and who vouches for it, from when to when."""

    since: float
    until: float
    user: User | None
    fault: str = ""
    authority: x509.Certificate | None = None
    authority_since: float = -math.inf
    authority_until: float = math.inf


class Authorities:
    """The authorities that are trusted at one time, and what they say of the certificates seen so far.

    Other authorities are another value, so nothing that is remembered here outlives a rotation.
    """

    def __init__(self, certificates: Sequence[x509.Certificate] = ()) -> None:
        self.certificates = tuple(certificates)
        self._found: dict[bytes, _Finding] = {}

    def user(self, der: bytes, now: float) -> User | None:
        """Whom a certificate names at `now` in epoch seconds: its CN, with its O as groups; None when it
        names nobody. Raises InvalidCertificate."""
        finding = self._found.get(der) or self._remember(der)
        if not finding.since <= now <= finding.until:
            raise InvalidCertificate(_outside(now, finding.since, finding.until))
        if finding.fault:
            raise InvalidCertificate(finding.fault)
        if finding.authority is not None and not finding.authority_since <= now <= finding.authority_until:
            fault = _outside(now, finding.authority_since, finding.authority_until)
            raise InvalidCertificate(_unknown(fault, finding.authority))
        return finding.user

    def _remember(self, der: bytes) -> _Finding:
        finding = self._find(der)
        if len(der) <= _LONGEST:
            if len(self._found) >= _KEPT:
                self._found.clear()
            self._found[der] = finding
        return finding

    def _find(self, der: bytes) -> _Finding:
        try:
            certificate = x509.load_der_x509_certificate(der)
            authority, fault = _vouching(certificate, self.certificates)
            vouched = (authority, *_period(authority)) if authority else ()
            return _Finding(*_period(certificate), named(certificate), fault or _usage_fault(certificate), *vouched)
        except MALFORMED:
            return _Finding(-math.inf, math.inf, None, "x509: malformed certificate")


def read_authorities(path: Path) -> Authorities:
    """The authorities in a PEM file, which holds several during a rotation. Raises AuthoritiesRefused."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise AuthoritiesRefused(f"{path}: {error.strerror}") from None
    except ValueError:
        raise AuthoritiesRefused(f"{path}: it must hold certificates in PEM, one after another") from None
    if leaf := next((certificate for certificate in found if not is_authority(certificate)), None):
        raise AuthoritiesRefused(f"{path}: {leaf.subject.rfc4514_string()} is no certificate authority; remove it")
    return Authorities(found)


def named(certificate: x509.Certificate) -> User | None:
    """The user that a certificate's subject names, None when it has no CN."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if not names or not names[-1].value:
        return None
    subject = certificate.subject
    return User(str(names[-1].value), (*organizations(subject), AUTHENTICATED), uid_of(subject))


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether a certificate may sign others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _vouching(
    certificate: x509.Certificate, authorities: Sequence[x509.Certificate]
) -> tuple[x509.Certificate | None, str]:
    """The authority that signed the certificate, or why none did."""
    fault = _UNKNOWN
    for authority in authorities:
        if authority.subject != certificate.issuer:
            continue
        try:
            certificate.verify_directly_issued_by(authority)
        except (InvalidSignature, TypeError, ValueError):
            fault = _unknown(_signature_fault(authority), authority)
        else:
            return authority, ""
    return None, fault


def _unknown(why: str, authority: x509.Certificate) -> str:
    names = authority.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = str(names[-1].value) if names else authority.subject.rfc4514_string()
    return f'{_UNKNOWN} (possibly because of "{why}" while trying to verify candidate authority certificate "{name}")'


def _signature_fault(authority: x509.Certificate) -> str:
    key = authority.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "crypto/rsa: verification error"
    return f"x509: {'ECDSA' if isinstance(key, ec.EllipticCurvePublicKey) else 'Ed25519'} verification failure"


def _usage_fault(certificate: x509.Certificate) -> str:
    try:
        usages = set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return ""
    if usages & {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}:
        return ""
    return "x509: certificate specifies an incompatible key usage"


def _period(certificate: x509.Certificate) -> tuple[float, float]:
    return certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()


def _outside(now: float, since: float, until: float) -> str:
    side, bound = ("before", since) if now < since else ("after", until)
    said = f"current time {_moment(now)} is {side} {_moment(bound)}"
    return f"x509: certificate has expired or is not yet valid: {said}"


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
