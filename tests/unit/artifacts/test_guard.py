"""Which addresses may be fetched from, and that the check is of the address that is connected to."""

import hashlib
import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlink.artifacts.errors import ArtifactError
from starlink.artifacts.fetch import download
from starlink.artifacts.guard import Guard

LOCAL = ("127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "169.254.1.1",
         "fe80::1", "fe80::1%2", "::ffff:169.254.1.1")  # fmt: skip
NEVER = ("169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "0.0.0.0",
         "0.1.2.3", "::", "224.0.0.1", "ff02::1", "240.0.0.1", "255.255.255.255", "::7f00:1")  # fmt: skip
FINE = ("10.1.2.3", "192.168.1.1", "172.16.0.1", "8.8.8.8", "2606:4700::1111", "fd12:3456::1", "64:ff9b::808:808")
CONTENT = b"an archive"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("address", LOCAL)
def test_local_addresses_are_refused_unless_allowed(address: str) -> None:
    assert Guard().refusal(address) and not Guard(allow_local=True).refusal(address)


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_always_refused(address: str) -> None:
    assert Guard().refusal(address) and Guard(allow_local=True).refusal(address)


@pytest.mark.parametrize("address", FINE)
def test_others_are_not(address: str) -> None:
    assert Guard().refusal(address) == ""


@given(st.ip_addresses())
def test_allowing_more_refuses_no_more(address: object) -> None:
    assert not Guard(allow_local=True).refusal(str(address)) or Guard().refusal(str(address))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
        elif self.path == "/short":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(b"ff\r\nbroken off" if self.path == "/short" else CONTENT)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.asked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def failure(url: str, guard: Guard, max_bytes: int = 1000) -> ArtifactError:
    with pytest.raises(ArtifactError) as caught:
        download(url, SHA256, io.BytesIO(), guard, max_bytes)
    return caught.value


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_loopback_by_any_name_is_not_connected_to(server: ThreadingHTTPServer, host: str) -> None:
    error = failure(f"http://{host}:{server.server_port}/x", Guard())
    assert "a loopback address, from which nothing is fetched" in str(error)
    assert server.asked == []  # type: ignore[attr-defined]


def test_loopback_is_fetched_from_when_allowed_and_redirects_are_followed(server: ThreadingHTTPServer) -> None:
    target = io.BytesIO()
    root = f"http://localhost:{server.server_port}"
    download(f"{root}/to/{root}/x", SHA256, target, Guard(allow_local=True), 1000)
    assert target.getvalue() == CONTENT
    assert server.asked == [f"/to/{root}/x", "/x"]  # type: ignore[attr-defined]


def test_proxies_of_the_environment_are_not_gone_through(
    server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:9")
    download(f"http://127.0.0.1:{server.server_port}/x", SHA256, io.BytesIO(), Guard(allow_local=True), 1000)


@pytest.mark.parametrize(("target", "why"), [
    ("http://169.254.169.254/latest/meta-data/", "a cloud's metadata address"),
    ("http://[ff02::1]/", "a multicast address"),
    ("ftp://127.0.0.1/x", "which is not fetched"),
    ("file:///etc/passwd", "which is not fetched"),
])  # fmt: skip
def test_a_redirect_leads_to_no_forbidden_place(server: ThreadingHTTPServer, target: str, why: str) -> None:
    assert why in str(failure(f"http://127.0.0.1:{server.server_port}/to/{target}", Guard(allow_local=True)))


def test_what_can_not_be_fetched_is_said(server: ThreadingHTTPServer) -> None:
    root, allowed = f"http://127.0.0.1:{server.server_port}", Guard(allow_local=True)
    assert failure(f"{root}/x", allowed, max_bytes=3).reason == "ArtifactTooLarge"
    assert failure(f"{root}/short", allowed).reason == "ArtifactUnreachable"
    assert failure(f"{root}/a b", allowed).reason == "ArtifactNotFound"
    assert failure("http://127.0.0.1:9/x", allowed).reason == "ArtifactUnreachable"
    assert failure("file:/etc/passwd", allowed).reason == "ArtifactNotFound"
    with pytest.raises(ArtifactError) as caught:
        download(f"{root}/x", "0" * 64, io.BytesIO(), allowed, 1000)
    assert caught.value.reason == "ArtifactChecksumMismatch"
