"""The machine's addresses, and the certificate that follows them."""

import datetime
import struct
from ipaddress import ip_address
from pathlib import Path

from starlink.apiserver.security.certificates.serving import ServerCertificate
from starlink.http.addresses import machine_addresses, parse_dump

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


def message(address: str) -> bytes:
    packed = ip_address(address).packed
    family = 2 if len(packed) == 4 else 10
    body = struct.pack("=BBBBI", family, 24, 0, 0, 1) + struct.pack("=HH", 4 + len(packed), 1) + packed
    return struct.pack("=IHHII", 16 + len(body), 20, 2, 1, 0) + body


def test_the_kernels_answer_is_read_to_its_end() -> None:
    end = struct.pack("=IHHII", 20, 3, 2, 1, 0) + b"\0" * 4
    assert parse_dump(message("192.0.2.1") + message("2001:db8::1")) == (
        {ip_address("192.0.2.1"), ip_address("2001:db8::1")},
        False,
    )
    assert parse_dump(message("192.0.2.1") + end) == ({ip_address("192.0.2.1")}, True)


def test_this_machine_has_the_loopback_address() -> None:
    assert "127.0.0.1" in machine_addresses()


def test_a_certificate_is_made_anew_only_when_it_must(tmp_path: Path) -> None:
    now, addresses = [NOW], ["192.0.2.1"]
    certificate = ServerCertificate(tmp_path, "0.0.0.0", lambda: now[0], lambda: addresses)
    seen = [certificate.issue()[0].read_bytes()]
    assert certificate.issue()[0].read_bytes() == seen[-1]
    addresses.append("192.0.2.2")
    seen.append(certificate.issue()[0].read_bytes())
    now[0] += datetime.timedelta(days=310)
    seen.append(certificate.issue()[0].read_bytes())
    assert len(set(seen)) == 3


def test_a_certificate_for_one_address_does_not_look_at_the_others(tmp_path: Path) -> None:
    addresses = ["192.0.2.1"]
    certificate = ServerCertificate(tmp_path, "192.0.2.9", lambda: NOW, lambda: addresses)
    before = certificate.issue()[0].read_bytes()
    addresses.append("192.0.2.2")
    assert certificate.issue()[0].read_bytes() == before
