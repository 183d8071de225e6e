"""Whoever can't be reached: the error says why."""

import socket
import ssl

import pytest

from starlink.client import http
from starlink.client.config import Config
from starlink.client.errors import Unreachable
from starlink.client.kube import Client
from starlink.http.reasons import why


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TimeoutError(), "timed out"),
        (ConnectionResetError(), "ConnectionResetError"),
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), "connection refused"),
        (OSError("Multiple exceptions: ..."), "Multiple exceptions: ..."),
        (socket.gaierror(-2, "Name or service not known"), "the name can't be looked up: Name or service not known"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "[SSL: WRONG_VERSION_NUMBER]"),
        (TimeoutError(110, "Connection timed out"), "connection timed out"),
    ],
)
def test_each_error_says_something(error: BaseException, said: str) -> None:
    assert said in why(error)


async def test_one_who_does_not_shake_hands_timed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "CONNECT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        async with Client(Config(url)) as client:
            with pytest.raises(Unreachable) as caught:
                await client.raw("GET", "/readyz")
    assert str(caught.value) == f"{url} can't be reached: timed out"


async def test_nobody_who_listens_and_a_broken_certificate_are_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        url = f"https://127.0.0.1:{probe.getsockname()[1]}"
    async with Client(Config(url)) as client:
        with pytest.raises(Unreachable, match=f"^{url} can't be reached: connection refused$"):
            await client.raw("GET", "/readyz")
    async with Client(Config(url, ca=b"junk")) as client:
        with pytest.raises(Unreachable, match="certificate-authority holds no certificate in PEM"):
            await client.raw("GET", "/readyz")
