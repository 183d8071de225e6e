"""What StarLink's authority signs: who signed it is named by the authority's own identifier, or else by its key."""

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from starlink.apiserver.security.certificates.pki import Pki

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def write_authority(folder: Path, identifier: bytes | None) -> x509.AuthorityKeyIdentifier:
    """An authority that somebody else made; gives what its certificates name it by when it has no identifier."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "theirs")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=1000))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if identifier is not None:
        builder = builder.add_extension(x509.SubjectKeyIdentifier(identifier), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    folder.mkdir()
    (folder / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "ca.key").write_bytes(key.private_bytes(*pem))
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


@pytest.mark.parametrize("identifier", [b"theirs", None])
def test_an_authority_of_ones_own_signs_with_or_without_an_identifier(tmp_path: Path, identifier: bytes | None) -> None:
    by_key = write_authority(tmp_path / "pki", identifier)
    path, _ = Pki(tmp_path / "pki", NOW).server([])
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    named = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert named.key_identifier == (identifier or by_key.key_identifier)


def test_a_leaf_signs_and_enciphers_and_an_authority_signs_certificates(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki", NOW)
    leaf, _ = pki.client("somebody")
    for path, enciphers, certifies in ((leaf, True, False), (pki.ca, False, True)):
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        assert (usage.digital_signature, usage.key_encipherment, usage.key_cert_sign) == (True, enciphers, certifies)
