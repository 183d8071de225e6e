"""Which servers are reached by a proxy, and what HTTPS_PROXY may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlink.client.errors import BadConfig
from starlink.client.proxy import Proxy, is_direct, of_environment

WAY = "http://proxy.example.com:3128"


def test_the_environment_names_a_proxy() -> None:
    found = of_environment("https://10.0.0.1:6443", {"HTTPS_PROXY": WAY})
    assert found == Proxy(WAY) and (found.host, found.port) == ("proxy.example.com", 3128)
    assert of_environment("https://10.0.0.1:6443", {"https_proxy": "proxy:1"}) == Proxy("http://proxy:1")
    assert of_environment("http://10.0.0.1:6443", {"HTTPS_PROXY": WAY}) is None
    assert of_environment("http://10.0.0.1", {"HTTP_PROXY": WAY}) == Proxy(WAY)
    assert of_environment("https://10.0.0.1", {}) is None
    with pytest.raises(BadConfig, match="HTTPS_PROXY: it must be a URL such as http://"):
        of_environment("https://10.0.0.1", {"HTTPS_PROXY": "socks5://me:pass@proxy"})


def test_a_password_is_sent_and_not_shown() -> None:
    found = Proxy("http://me:p%40ss@proxy:1")
    assert found.authorization == "Basic bWU6cEBzcw==" and found.shown == "http://proxy:1"
    assert Proxy(WAY).authorization == ""


@pytest.mark.parametrize(
    ("host", "excepted", "direct"),
    [
        ("localhost", "", True), ("127.0.0.1", "", True), ("127.9.9.9", "", True), ("::1", "", True),
        ("10.0.0.1", "", False), ("10.0.0.1", "*", True), ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.0/8", True), ("11.0.0.1", "10.0.0.0/8, 192.168.0.0/16", False),
        ("10.0.0.1", "10.0.0.1:6443", True), ("10.0.0.1", "10.0.0.1:443", False),
        ("fd00::1", "fd00::/8", True), ("fd00::1", "[fd00::1]:6443", True), ("fd00::1", "10.0.0.0/8", False),
        ("api.example.com", "example.com", True), ("API.example.com", "Example.com", True),
        ("example.com", "example.com", True), ("notexample.com", "example.com", False),
        ("api.example.com", ".example.com", True), ("example.com", ".example.com", False),
        ("api.example.com", "*.example.com", True), ("api.example.com", " , ,other.com", False),
        ("api.example.com", "example.com:6443", True), ("api.example.com", "example.com:1", False),
        ("api.example.com", "10.0.0.0/8", False), ("api.example.com", ":6443", False),
    ],
)  # fmt: skip
def test_who_is_dialled_directly(host: str, excepted: str, direct: bool) -> None:
    assert is_direct(host, 6443, excepted) is direct


@given(st.text(max_size=40), st.sampled_from(("10.0.0.1", "api.example.com", "fd00::1")), st.text(max_size=8))
def test_no_list_is_too_odd(excepted: str, host: str, more: str) -> None:
    """What is added to a list takes nobody out of it, and the host itself is always found."""
    assert is_direct(host, 6443, f"{excepted.replace(',', '')},{host if ':' not in host else f'[{host}]'}")
    if is_direct(host, 6443, excepted):
        assert is_direct(host, 6443, f"{excepted},{more}")
