"""Servers that want to keep an agent busy, to fill it up, or to be its way to somewhere else."""

import contextlib
import datetime
import hashlib
import io
import os
import resource
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from starlink.apiserver.security.certificates.pki import Pki
from starlink.artifacts import fetch as fetching
from starlink.artifacts.errors import ArtifactError, shown
from starlink.artifacts.fetch import Places, fetch
from starlink.artifacts.guard import Guard
from starlink.artifacts.pace import Pace

CONTENT = b"an archive" * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MAX_BYTES = 100_000


class Clock:
    """A second passes at each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


class Server(socketserver.ThreadingTCPServer):
    """Answers with what `behave` writes; `asked` are the first lines of requests, `sent` counts bytes of answers."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, behave: Callable[["Handler"], None]) -> None:
        self.behave = behave
        self.asked: list[str] = []
        self.headers: list[bytes] = []
        self.sent = 0
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        self.server.asked.append(self.rfile.readline().decode().strip())
        while (line := self.rfile.readline()).strip():
            self.server.headers.append(line)
        with contextlib.suppress(OSError):  # the client has hung up, which is what it should do
            self.server.behave(self)

    def say(self, *texts: bytes) -> None:
        for text in texts:
            self.server.sent += len(text)
            self.wfile.write(text)

    def for_ever(self, text: bytes) -> None:
        while True:
            self.say(text)


def without_end(head: bytes, more: bytes) -> Callable[[Handler], None]:
    def behave(handler: Handler) -> None:
        handler.say(head)
        handler.for_ever(more)

    return behave


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[Handler], None]], Server]]:
    servers: list[tuple[Server, threading.Thread]] = []

    def start(behave: Callable[[Handler], None]) -> Server:
        server = Server(behave)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        servers.append((server, thread))
        return server

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def well(handler: Handler) -> None:
    handler.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CONTENT), CONTENT)


def got(url: str, places: Places, **named: Any) -> bytes:
    with fetch(url, SHA256, places, pause=lambda _: None, **named) as file:
        return file.read()


def refusal(url: str, places: Places, **named: Any) -> ArtifactError:
    """Why it is not fetched; nothing of it is kept, and the message is short."""
    with pytest.raises(ArtifactError) as caught:
        got(url, places, **named)
    assert not places.cache.exists() or list(places.cache.iterdir()) == []
    assert len(str(caught.value)) < 700
    return caught.value


@pytest.fixture
def allowed(tmp_path: Path) -> Places:
    return Places(tmp_path / "cache", guard=Guard(allow_local=True))


@pytest.fixture
def guarded(tmp_path: Path) -> Places:
    return Places(tmp_path / "cache")


Serve = Callable[[Callable[[Handler], None]], Server]


@pytest.mark.parametrize("host", [
    "127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "127.0.0.%31", "%31%32%37.0.0.1",
])  # fmt: skip
def test_loopback_is_fetched_from_only_with_the_option(serve: Serve, guarded: Places, host: str) -> None:
    server = serve(well)
    error = refusal(f"http://{host}:{server.server_address[1]}/x", guarded)
    assert "--allow-local-artifacts" in str(error) and "loopback" in str(error)
    assert server.asked == []


def test_loopback_is_fetched_from_with_it(serve: Serve, allowed: Places) -> None:
    assert got(serve(well).url, allowed) == CONTENT


def test_a_cloud_s_metadata_is_never_fetched(serve: Serve, allowed: Places) -> None:
    server = serve(lambda handler: handler.say(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/token\r\n\r\n"))
    for url in (server.url, "http://169.254.169.254/token", "http://[fd00:ec2::254]/"):
        error = refusal(url, allowed)
        assert "a cloud's metadata address" in str(error) and "--allow-local" not in str(error)


def test_a_redirect_to_loopback_is_refused(serve: Serve, guarded: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first server is somewhere else, as far as the guard can tell; the second one is where an agent's own are."""
    server = serve(lambda handler: handler.say(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2/x\r\n\r\n"))
    real = Guard.refusal
    monkeypatch.setattr(Guard, "refusal", lambda self, at: "" if at == "127.0.0.1" else real(self, at))
    assert "127.0.0.2, a loopback address" in str(refusal(server.url, guarded))
    assert len(server.asked) == 1


# Proxies: whoever sets the environment is trusted, and whoever writes the URL is not.


def test_a_proxy_may_be_anywhere_and_gets_the_request(
    serve: Serve, guarded: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(well)
    monkeypatch.setenv("http_proxy", proxy.url)
    assert got("http://192.0.2.1/x?token=t", guarded) == CONTENT
    assert got("http://192.0.2.1/x?token=t", guarded) == CONTENT
    assert proxy.asked == ["GET http://192.0.2.1/x?token=t HTTP/1.1"]


@pytest.mark.parametrize("target", [
    "http://127.0.0.1/x", "http://localhost/x", "http://169.254.169.254/x", "http://0x7f.1/", "http://[::1]/x",
    "http://127.0.0.%31/x", "https://127.0.0.1/x", "http://PROXY/x",
])  # fmt: skip
def test_a_proxy_is_not_asked_for_what_is_guarded(
    serve: Serve, guarded: Places, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    proxy = serve(well)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, proxy.url)
    error = refusal(target.replace("PROXY", proxy.url.removeprefix("http://")), guarded)
    assert "from which nothing is fetched" in str(error) and proxy.asked == []


def test_a_tunnel_is_guarded_too_and_its_end_is_checked_by_name(
    serve: Serve, guarded: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(lambda handler: handler.say(b"HTTP/1.1 200 OK\r\n\r\nno TLS at all"))
    monkeypatch.setenv("https_proxy", proxy.url)
    assert refusal("https://192.0.2.1/x", guarded).reason == "ArtifactUnreachable"
    assert set(proxy.asked) == {"CONNECT 192.0.2.1:443 HTTP/1.0"} or set(proxy.asked) == {
        "CONNECT 192.0.2.1:443 HTTP/1.1"
    }


# What a server sends is bounded, and so is how long it may take.


ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "a body": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 5000),
    "a body in chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 500),
    "chunks with long names": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;" + b"e" * 9000 + b"\r\nx\r\n"),
    "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n" * 500),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 500),
    "a header": (b"HTTP/1.1 200 OK\r\nx: ", b"y" * 5000),
    "a status line": (b"HTTP/1.1 200 ", b"OK" * 2500),
    "what is no HTTP": (b"", b"\xff" * 5000),
    "promises to continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 200),
    "a redirect's body": (b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", b"x" * 5000),
    "an error's body": (b"HTTP/1.1 404 Not Found\r\n\r\n", b"x" * 5000),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(ENDLESS))
def test_what_never_ends_is_broken_off(
    serve: Serve, allowed: Places, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    head, more = ENDLESS[kind]
    server = serve(without_end(head, more))
    monkeypatch.setattr(fetching, "_HEADER_BYTES", 200_000)
    monkeypatch.setattr(fetching, "TRIES", 2)
    refusal(server.url, allowed, max_bytes=MAX_BYTES)
    assert server.sent < 30_000_000  # what was in flight included: a socket's buffers take some MB


CUT: dict[str, tuple[bytes, bytes]] = {
    "of a known length": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", CONTENT[:400]),
    "in chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + CONTENT[:400]),
    "between chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"190\r\n" + CONTENT[:400] + b"\r\n"),
    "of no known length": (b"HTTP/1.1 200 OK\r\n\r\n", CONTENT[:400]),
    "in HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\n", CONTENT[:400]),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(CUT))
def test_a_transfer_that_broke_off_is_tried_again_and_told_as_such(serve: Serve, allowed: Places, kind: str) -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + CONTENT
    server = serve(lambda handler: handler.say(*(CUT[kind] if len(server.asked) < 3 else (whole,))))
    with fetch(server.url, SHA256, allowed, pause=lambda _: None) as archive:
        assert archive.read() == CONTENT and len(server.asked) == 3
    broken = serve(lambda handler: handler.say(*CUT[kind]))
    allowed.cache.joinpath(SHA256).unlink()
    error = refusal(broken.url, allowed)
    assert error.reason == "ArtifactUnreachable" and "broke" in str(error)
    assert len(broken.asked) == fetching.TRIES


def test_a_server_that_sends_a_byte_now_and_then_is_given_up(
    serve: Serve, allowed: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "TRIES", 1)
    for head, each in (
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n", b"x"), (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ):  # fmt: skip
        server = serve(without_end(head, each))
        clock = Clock()
        error = refusal(server.url, allowed, pace=lambda most, clock=clock: Pace(most, rate=1e6, now=clock))
        assert error.reason == "ArtifactUnreachable" and "less than" in str(error)
        assert clock.now < 200


def test_a_silent_server_is_waited_for_no_longer_than_may_be() -> None:
    clock = Clock()
    pace = Pace(1000, grace=100.0, rate=1.0, now=clock)
    assert pace.wait() == 30.0
    pace.took(5)
    clock.now = 95.0
    assert pace.wait() < 15.0
    clock.now = 200.0
    with pytest.raises(TimeoutError):
        pace.wait()


def test_redirects_in_a_circle_and_without_end_are_given_up(serve: Serve, allowed: Places) -> None:
    circle = serve(lambda handler: handler.say(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"))
    assert "in a circle" in str(refusal(circle.url, allowed)) and len(circle.asked) < 15

    def further(handler: Handler) -> None:
        number = len(handler.server.asked)
        handler.say(b"HTTP/1.1 302 Found\r\nLocation: /%d\r\nContent-Length: 0\r\n\r\n" % number)

    endless = serve(further)
    assert "too far" in str(refusal(endless.url, allowed)) and len(endless.asked) < 15


def test_a_body_that_breaks_off_is_tried_again(serve: Serve, allowed: Places) -> None:
    def at_last(handler: Handler) -> None:
        if len(handler.server.asked) < 3:
            handler.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CONTENT), CONTENT[:300])
        else:
            well(handler)

    server = serve(at_last)
    assert got(server.url, allowed) == CONTENT and len(server.asked) == 3


def test_no_encoding_is_undone(serve: Serve, allowed: Places) -> None:
    server = serve(
        lambda handler: handler.say(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(CONTENT), CONTENT
        )
    )
    assert got(server.url, allowed) == CONTENT
    assert b"Accept-Encoding: identity\r\n" in server.headers


# Secrets of URLs, and of where servers lead.


def test_no_message_holds_a_password(serve: Serve, allowed: Places) -> None:
    server = serve(well)
    place = server.url.removeprefix("http://")
    for url in (
        f"http://user:hunter2@{place}/x", f"http://hunter2@{place}/x", f"https://user:hunter2@{place}/x",
        f"http://user%40:hunter2@{place}/x", f"http://user:hunter2%40{place}/x@y", "http://user:hunter2@[::1/x",
        "http://user:hunter2@host:port/", "ftp://user:hunter2@host/x",
    ):  # fmt: skip
        error = refusal(url, allowed)
        assert "hunter2@" not in str(error), error
        assert "hunter2" not in shown(url) or "hunter2%40" in url
    assert server.asked == []


@pytest.mark.parametrize("to", [
    b"http://user:hunter2@127.0.0.1/", b"ftp://hunter2/", b"file:///hunter2", b"http://127.0.0.1:1/?token=hunter2",
    b"http://[hunter2/", b"data:hunter2",
])  # fmt: skip
def test_no_message_holds_where_a_redirect_leads(serve: Serve, allowed: Places, to: bytes) -> None:
    server = serve(lambda handler: handler.say(b"HTTP/1.1 302 Found\r\nLocation: %s\r\n\r\n" % to))
    assert "hunter2" not in str(refusal(server.url, allowed))


def test_a_server_s_words_are_cut_short(serve: Serve, allowed: Places) -> None:
    for answer in (b"HTTP/1.1 404 " + b"no\x1b[31m" * 1000, b"x" * 50_000, b"HTTP/1.1 999999 x"):
        server = serve(lambda handler, answer=answer: handler.say(answer + b"\r\n\r\n"))  # type: ignore[misc]
        assert str(refusal(server.url, allowed)).isprintable()


# Files of the artifact directory.


@pytest.fixture
def shelf(tmp_path: Path) -> Places:
    (tmp_path / "shelf" / "sub").mkdir(parents=True)
    (tmp_path / "shelf" / "sub" / "a").write_bytes(CONTENT)
    (tmp_path / "secret").write_bytes(CONTENT)
    return Places(tmp_path / "cache", tmp_path / "shelf")


def test_files_and_links_below_the_artifact_directory_are_fetched(shelf: Places) -> None:
    assert shelf.artifact_dir is not None
    (shelf.artifact_dir / "inside").symlink_to("sub/../sub/a")
    for url in ("file:sub/a", "file:/sub/a", "file:///sub/a", "file:sub/../sub/./a", "file:inside"):
        assert got(url, shelf) == CONTENT
        (shelf.cache / SHA256).unlink()


def test_nothing_else_is(shelf: Places, tmp_path: Path) -> None:
    root = shelf.artifact_dir
    assert root is not None
    (root / "out").symlink_to("../secret")
    (root / "absolute").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to("..")
    (root / "circle").symlink_to("circle")
    (root / "device").symlink_to("/dev/zero")
    os.mkfifo(root / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.fspath(root / "socket"))
    names = ("../secret", "out", "absolute", "up/secret", "circle", "device", "pipe", "socket", "sub", "", ".", "..",
             "none", "sub/a/b", "a\0b", "x" * 300, "../shelf/../secret", f"{tmp_path}/secret")  # fmt: skip
    for name in names:
        assert refusal(f"file:{name}", shelf).reason in ("ArtifactUnsafePath", "ArtifactNotFound")
    listener.close()


def test_a_link_put_there_in_between_is_not_followed(
    shelf: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shelf.artifact_dir
    assert root is not None
    real = os.path.realpath

    def late(path: Any, *arguments: Any, **named: Any) -> Any:
        resolved = real(path, *arguments, **named)
        if os.fspath(resolved).endswith("sub/a"):
            (root / "sub").rename(root / "before")
            (tmp_path / "elsewhere").mkdir()
            (tmp_path / "elsewhere" / "a").write_bytes(CONTENT)
            (root / "sub").symlink_to(tmp_path / "elsewhere")
        return resolved

    monkeypatch.setattr(os.path, "realpath", late)
    assert refusal("file:sub/a", shelf).reason == "ArtifactNotFound"


def test_a_short_of_descriptors_agent_blames_no_server(serve: Serve, allowed: Places) -> None:
    server = serve(well)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 1, limit[1]))
    held = []
    try:
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                held.append(io.FileIO(os.dup(0)))
        with pytest.raises(OSError, match="Too many open files"):
            got(server.url, allowed)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        for file in held:
            file.close()


# TLS goes the same ways.


@pytest.fixture
def serve_securely(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Servers whose certificate is for localhost, and which this process trusts."""
    pki = Pki(tmp_path / "pki", datetime.datetime.now(datetime.UTC))
    certificate, key = pki.server(["localhost"])
    monkeypatch.setenv("SSL_CERT_FILE", str(pki.ca))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def start(behave: Callable[[Handler], None]) -> Server:
        server = serve(behave)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        return server

    return start


def test_tls_is_fetched_by_and_its_names_are_checked(serve_securely: Serve, allowed: Places, tmp_path: Path) -> None:
    server = serve_securely(well)
    port = server.server_address[1]
    assert "CERTIFICATE_VERIFY_FAILED" in str(refusal(f"https://127.1:{port}/x", allowed))
    assert "loopback" in str(refusal(f"https://localhost:{port}/x", Places(tmp_path / "other")))
    assert got(f"https://localhost:{port}/x", allowed) == CONTENT


def test_tls_has_a_pace_too(serve_securely: Serve, allowed: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "TRIES", 1)
    monkeypatch.setattr(fetching, "_HEADER_BYTES", 200_000)
    server = serve_securely(without_end(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 5000))
    url = f"https://localhost:{server.server_address[1]}/x"
    assert refusal(url, allowed, max_bytes=MAX_BYTES).reason == "ArtifactTooLarge"
    clock = Clock()
    error = refusal(url, allowed, pace=lambda most: Pace(most, rate=1e9, now=clock))
    assert error.reason == "ArtifactUnreachable" and "less than" in str(error)
