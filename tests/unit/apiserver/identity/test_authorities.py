"""Which certificates prove an identity, and what is said of the others."""

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from starlink.apiserver.security.certificates.pki import LONG_SINCE, Pki
from starlink.http.authorities import AuthoritiesRefused, InvalidCertificate, read_authorities
from starlink.http.message import User

START = datetime.datetime(2030, 1, 1, 12, tzinfo=datetime.UTC)
NOW = START.timestamp()
DAY = 86_400.0


def der(certificate: Path) -> bytes:
    return x509.load_pem_x509_certificate(certificate.read_bytes()).public_bytes(Encoding.DER)


def test_a_certificate_names_its_user_while_it_is_good(tmp_path: Path) -> None:
    pki = Pki(tmp_path, START)
    certificate = der(pki.client("jane", ["devs", "ops"])[0])
    authorities = read_authorities(pki.ca)
    for _ in range(2):
        assert authorities.user(certificate, NOW) == User("jane", ("devs", "ops", "system:authenticated"))
    with pytest.raises(InvalidCertificate) as late:
        authorities.user(certificate, NOW + 366 * DAY)
    assert str(late.value) == (
        "x509: certificate has expired or is not yet valid: "
        "current time 2031-01-02T12:00:00Z is after 2031-01-01T12:00:00Z"
    )
    with pytest.raises(InvalidCertificate, match="is before 2020-01-01T00:00:00Z"):
        authorities.user(certificate, LONG_SINCE.timestamp() - 1)
    assert authorities.user(certificate, NOW - 9 * DAY)
    assert authorities.user(certificate, NOW), "the clock may jump back"


def test_a_nameless_certificate_is_nobody(tmp_path: Path) -> None:
    pki = Pki(tmp_path, START)
    certificate = der(pki.server(["h"])[0])
    with pytest.raises(InvalidCertificate, match="incompatible key usage"):
        read_authorities(pki.ca).user(certificate, NOW)


def test_several_authorities_are_trusted(tmp_path: Path) -> None:
    old, new = Pki(tmp_path / "old", START), Pki(tmp_path / "new", START)
    certificates = [der(pki.client("jane")[0]) for pki in (old, new)]
    with pytest.raises(InvalidCertificate) as unknown:
        read_authorities(new.ca).user(certificates[0], NOW)
    assert str(unknown.value) == (
        'x509: certificate signed by unknown authority (possibly because of "x509: ECDSA verification failure" '
        'while trying to verify candidate authority certificate "starlink-ca")'
    )
    new.ca.write_bytes(new.ca.read_bytes() + old.ca.read_bytes())
    assert all(read_authorities(new.ca).user(certificate, NOW) for certificate in certificates)


def test_an_authority_that_has_ended_vouches_for_nobody(tmp_path: Path) -> None:
    pki = Pki(tmp_path, START - datetime.timedelta(days=3600))
    pki.client("first")
    certificate = der(Pki(tmp_path, START).client("jane")[0])
    authorities = read_authorities(pki.ca)
    assert authorities.user(certificate, NOW)
    with pytest.raises(InvalidCertificate, match='because of "x509: certificate has expired'):
        authorities.user(certificate, NOW + 100 * DAY)


def test_what_is_no_certificate_is_refused(tmp_path: Path) -> None:
    pki = Pki(tmp_path, START)
    leaf, _ = pki.client("jane")
    with pytest.raises(InvalidCertificate, match=r"x509: malformed certificate$"):
        read_authorities(pki.ca).user(b"nothing", NOW)
    broken = tmp_path / "broken.crt"
    with pytest.raises(AuthoritiesRefused, match=r"broken\.crt: No such file"):
        read_authorities(broken)
    broken.write_bytes(b"nothing")
    with pytest.raises(AuthoritiesRefused, match=r"must hold certificates in PEM, one after another$"):
        read_authorities(broken)
    with pytest.raises(AuthoritiesRefused, match="CN=jane is no certificate authority"):
        read_authorities(leaf)


def test_the_key_says_which_authority_signs(tmp_path: Path) -> None:
    pki, other = Pki(tmp_path / "a", START), Pki(tmp_path / "b", START)
    before, _ = pki.server(["h"])
    first = before.read_bytes()
    other.client("jane")
    pki.ca.write_bytes(pki.ca.read_bytes() + other.ca.read_bytes())
    assert pki.server(["h"])[0].read_bytes() == first
    (pki.folder / "ca.key").write_bytes((other.folder / "ca.key").read_bytes())
    assert pki.server(["h"])[0].read_bytes() != first
    assert read_authorities(other.ca).user(der(pki.client("joe")[0]), NOW)
    pki.ca.write_bytes(first)
    with pytest.raises(ValueError, match="holds no certificate of the key"):
        pki.server(["h"])
