"""Where the API server can listen, and what is said where it can't."""

import os
import socket

import pytest

from starlink.cli.listening import Listen, NotHeard, holder_of


@pytest.mark.parametrize(
    ("text", "host", "port", "url"),
    [
        ("", "127.0.0.1", 0, "https://127.0.0.1:0"),
        ("10.0.0.5:6443", "10.0.0.5", 6443, "https://10.0.0.5:6443"),
        ("0.0.0.0:6443", "0.0.0.0", 6443, "https://127.0.0.1:6443"),
        ("[::]:6443", "::", 6443, "https://[::1]:6443"),
        (":6443", "", 6443, "https://127.0.0.1:6443"),
        ("[2001:db8::1]:1", "2001:db8::1", 1, "https://[2001:db8::1]:1"),
    ],
)
def test_an_address_is_read(text: str, host: str, port: int, url: str) -> None:
    found = Listen.parse(text)
    assert (found.host, found.port, found.url) == (host, port, url)
    assert Listen.parse(str(found)) == found
    assert found.everywhere is (host in ("", "0.0.0.0", "::"))


@pytest.mark.parametrize("text", ["6443", "10.0.0.5", "10.0.0.5:", "10.0.0.5:x", "a:65536", "::1:6443", "a:-1", "a:²"])
def test_what_is_no_address_is_said(text: str) -> None:
    with pytest.raises(NotHeard, match=r"write HOST:PORT, such as 127\.0\.0\.1:6443"):
        Listen.parse(text)


def test_a_free_port_is_picked_and_kept() -> None:
    found = Listen.parse("").bound()
    assert found.port and found.bound() == found


def test_a_taken_port_says_who_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NotHeard) as error:
            Listen("0.0.0.0", port).bound()
        assert f"--listen 0.0.0.0:{port}: the port is in use by process {os.getpid()} (" in str(error.value)
    assert holder_of(port) == ""


def test_an_address_of_another_machine_is_no_taken_port() -> None:
    with pytest.raises(NotHeard) as error:
        Listen("192.0.2.99", 6443).bound()
    assert "this machine does not have the address 192.0.2.99" in str(error.value) and "in use" not in str(error.value)


def test_a_name_that_nobody_knows_is_said() -> None:
    with pytest.raises(NotHeard, match=r"nowhere\.invalid is no address and no name that this machine knows"):
        Listen("nowhere.invalid", 6443).bound()


@pytest.mark.parametrize(
    ("new", "old", "serves"),
    [
        ("10.0.0.5:6443", "10.0.0.5:6443", True),
        ("10.0.0.5:6443", "10.0.0.5:6444", False),
        ("10.0.0.6:6443", "10.0.0.5:6443", False),
        ("10.0.0.5:6443", "0.0.0.0:6443", False),
        ("0.0.0.0:6443", "127.0.0.1:6443", True),
        ("0.0.0.0:6443", "[::1]:6443", False),
        ("[::]:6443", "[2001:db8::5]:6443", True),
        ("[::]:6443", "10.0.0.5:6443", False),
        (":6443", "[::]:6443", True),
        (":6443", "star.example:6443", True),
        ("0.0.0.0:6443", "star.example:6443", False),
        ("0.0.0.0:6443", ":6443", False),
    ],
)
def test_an_address_serves_those_of_another(new: str, old: str, serves: bool) -> None:
    assert Listen.parse(new).serves(Listen.parse(old)) is serves
