"""StarLink's own certificate authority, and what it signs. Files are 0600, folders 0700."""

import datetime
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from starlink.apiserver.security.certificates.extensions import authority_identifier, key_usage
from starlink.files import durable

CA_DAYS = 3650
LEAF_DAYS = 365
RENEW_DAYS = 60
LONG_SINCE = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
"""From when certificates are good. Only their end protects; a clock that is set back, or a machine that starts without
the time, must not shut everybody out."""

Certificate = x509.Certificate
Key = ec.EllipticCurvePrivateKey


class Pki:
    """The certificates and keys below one folder, made when they are missing or near their end.

    `ca.crt` may hold several authorities, which are all trusted; the one whose key is `ca.key` signs. So the
    authority is changed without a gap: add the new certificate to `ca.crt`, let clients have that file, put the
    new key into `ca.key` (the server's certificate is then made anew), and once nothing uses the old one, remove it.
    """

    def __init__(self, folder: Path, now: datetime.datetime) -> None:
        self.folder = folder
        self._now = now
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def token_key(self) -> Path:
        """The key that signs ServiceAccount tokens."""
        path = self.folder / "token.key"
        if not path.exists():
            durable.replace(path, _pem(ec.generate_private_key(ec.SECP256R1())))
        return path

    def _ca(self) -> tuple[Certificate, Key]:
        key_path = self.folder / "ca.key"
        if self.ca.exists() and key_path.exists():
            return _read_authority(self.ca, key_path)
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("starlink-ca")
        certificate = (
            self._builder(name, name, key.public_key(), CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(signature=True, encipherment=False, authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        durable.replace(key_path, _pem(key))
        durable.replace(self.ca, certificate.public_bytes(serialization.Encoding.PEM))
        return certificate, key

    def server(self, hosts: Iterable[str]) -> tuple[Path, Path]:
        """A certificate and key for the API server that cover `hosts`; made anew when those change."""
        wanted = sorted({*hosts, "localhost", "127.0.0.1", "::1", socket.gethostname()})
        names = [_general_name(host) for host in wanted]
        return self._leaf("apiserver", _name("starlink-apiserver"), ExtendedKeyUsageOID.SERVER_AUTH, names)

    def client(self, user: str, groups: Sequence[str] = ()) -> tuple[Path, Path]:
        """A client certificate and key: `user` is its CN, `groups` its organizations."""
        file = user.replace(":", "-")
        return self._leaf(file, _name(user, groups), ExtendedKeyUsageOID.CLIENT_AUTH, [])

    def _leaf(
        self, file: str, subject: x509.Name, usage: x509.ObjectIdentifier, names: list[x509.GeneralName]
    ) -> tuple[Path, Path]:
        certificate_path, key_path = self.folder / f"{file}.crt", self.folder / f"{file}.key"
        authority, authority_key = self._ca()
        if (
            certificate_path.exists()
            and key_path.exists()
            and self._still_good(certificate_path, authority, subject, names)
        ):
            return certificate_path, key_path
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            self._builder(subject, authority.subject, key.public_key(), LEAF_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(signature=True, encipherment=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(authority_identifier(authority, authority_key), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(authority_key, hashes.SHA256())
        durable.replace(key_path, _pem(key))
        durable.replace(certificate_path, certificate.public_bytes(serialization.Encoding.PEM))
        return certificate_path, key_path

    def _still_good(
        self, path: Path, authority: Certificate, subject: x509.Name, names: list[x509.GeneralName]
    ) -> bool:
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
        except ValueError:  # a damaged file: it is made anew
            return False
        left = certificate.not_valid_after_utc - self._now
        if certificate.subject != subject or left < datetime.timedelta(days=RENEW_DAYS):
            return False
        if not _is_issued_by(certificate, authority):
            return False
        if not names:
            return True
        covered = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return set(covered) == set(names)

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(LONG_SINCE, self._now - datetime.timedelta(hours=1)))
            .not_valid_after(self._now + datetime.timedelta(days=days))
        )


def _read_authority(certificates: Path, key: Path) -> tuple[Certificate, Key]:
    try:
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    except (ValueError, TypeError):
        raise ValueError(f"{key} holds no private key in PEM; restore the pki folder from a backup") from None
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{key} holds no EC private key; restore the pki folder from a backup")
    try:
        authorities = x509.load_pem_x509_certificates(certificates.read_bytes())
    except ValueError:
        raise ValueError(f"{certificates} holds no certificates in PEM; restore the pki folder from a backup") from None
    for certificate in authorities:
        if certificate.public_key() == loaded.public_key():
            return certificate, loaded
    raise ValueError(f"{certificates} holds no certificate of the key in {key}; add it, or put the right key there")


def _is_issued_by(certificate: Certificate, authority: Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True


def _pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _name(user: str, groups: Sequence[str] = ()) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
