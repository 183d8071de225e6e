"""What a server answers is read whole, however it says where it ends; and what is said of one that goes away."""

from typing import Any

import pytest
from bench import load, watchers
from bench.load import Http

BODY = b'{"kind":"List","items":[]}'
WITH_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nDate: x\r\n\r\n%b" % (len(BODY), BODY)
IN_CHUNKS = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (
    BODY[:5],
    len(BODY) - 5,
    BODY[5:],
)


@pytest.mark.parametrize(("answer", "status"), [(WITH_LENGTH, "200"), (WITH_LENGTH.lower(), "200"), (IN_CHUNKS, "201")])
def test_an_answer_is_there_when_its_last_byte_is(answer: bytes, status: str) -> None:
    http = Http(lambda _: b"")
    for _ in range(2):  # the next one on the same connection too
        said = [http.answered(answer[place : place + 1]) for place in range(len(answer))]
        assert said == [""] * (len(answer) - 1) + [status]


class _Wire:
    """A connection over which the server says so much, and then ends it."""

    def __init__(self, *said: bytes) -> None:
        self._said = list(said)

    def __enter__(self) -> "_Wire":
        return self

    def __exit__(self, *_: object) -> None: ...

    def fileno(self) -> int:
        return 0

    def setblocking(self, _: bool) -> None: ...

    def sendall(self, _: bytes) -> None: ...

    def send(self, data: bytes) -> int:
        return len(data)

    def recv(self, _: int) -> bytes:
        return self._said.pop(0) if self._said else b""


class _Selector:
    """Of which every connection can always be read."""

    def __init__(self) -> None:
        self._keys: list[Any] = []

    def __enter__(self) -> "_Selector":
        return self

    def __exit__(self, *_: object) -> None: ...

    def register(self, _: Any, __: int, data: Any) -> None:
        self._keys.append(type("Key", (), {"data": data}))

    def select(self) -> list[Any]:
        return [(key, 1) for key in self._keys]


def test_of_a_connection_that_the_server_ends_it_is_said_what_was_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selectors.DefaultSelector", _Selector)
    wire: Any = _Wire(WITH_LENGTH, IN_CHUNKS)
    with pytest.raises(ConnectionError, match="under way, 2 answers before that"):
        load.run([wire], [Http(lambda _: b"GET /")], iter(range(3)))


def test_writers_connect_when_the_watchers_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand take longer to connect than kube-apiserver leaves a connection without a request."""
    happened: list[str] = []

    class Parent:
        def send(self, _: Any) -> None:
            happened.append("told")

        def recv(self) -> str:
            happened.append("go")
            return "go"

    def connect(*_: Any) -> _Wire:
        happened.append("connects")
        return _Wire()

    def run(wires: Any, protocols: Any, numbers: Any) -> None:
        if happened.count("go"):
            raise InterruptedError

    monkeypatch.setattr(load, "connect", connect)
    monkeypatch.setattr(load, "client_tls", lambda *_, **__: None)
    monkeypatch.setattr(load, "run", run)
    parent: Any = Parent()
    files: Any = ("", "", "")
    with pytest.raises(InterruptedError):
        watchers._write(parent, 1, files, "/apis/g/v1/widgets", 16)
    assert happened == ["connects", "told", "go", *["connects"] * 16]
