"""Bytes that are no HTTP, sent over TLS: answered with a 4xx or a closed connection, and the server goes on."""

import asyncio
import contextlib
import os
import random
import socket
import ssl

import pytest
from tests.integration.conftest import Wire
from tests.profiles import tries

PAYLOADS = tries(200)
SECONDS = 10.0

GOOD = (
    b"GET /api/v1/namespaces?limit=1 HTTP/1.1\r\nhost: x\r\naccept: application/json\r\n\r\n",
    b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    b'content-length: 32\r\n\r\n{"metadata":{"name":"x"},"a":[]}',
    b"PATCH /api/v1/namespaces/default/configmaps/x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
    b"content-type: application/merge-patch+json\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"GET /apis/starlink.dev/v1alpha1/tasks?watch=1&timeoutSeconds=1 HTTP/1.1\r\nhost: x\r\n\r\n",
)
ODD = (
    b"\0", b"\r\n", b"\n", b"\r", b" ", b"%", b"%zz", b":", b"\xff\xfe", b"HTTP/9.9", b"content-length: -1\r\n",
    b"content-length: 99999999999999999999\r\n", b"content-length: 3\r\ncontent-length: 4\r\n",
    b"transfer-encoding: chunked, identity\r\n", b"upgrade: h2c\r\nconnection: upgrade\r\n", b"x" * 70_000,
    b"a: " + b"b" * 70_000 + b"\r\n", b"expect: 100-continue\r\n", b"FFFFFFFFFFFFFFFF\r\n", b"connection: close\r\n",
    b"authorization: Bearer x\r\n", b"authorization: \xff\r\n", b"impersonate-user: \r\n", b"accept: ,;=\r\n",
)  # fmt: skip


def mutated(rng: random.Random) -> bytes:
    data = b"".join(rng.choice(GOOD) for _ in range(rng.choice((1, 1, 2))))
    for _ in range(rng.choice((1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                data = data[:at] + rng.choice(ODD) + data[at:]
            case 1:
                data = data[:at]
            case 2:
                data = data[:at] + rng.randbytes(rng.randrange(1, 8)) + data[at + rng.randrange(8) :]
            case 3:
                line = data.find(b"\r\n") + 2
                data = data[:line] + rng.choice(ODD) + data[line:]
            case _:
                data = data[:at] + data[at + rng.randrange(1, 40) :]
    return data


def exchange(port: int, context: ssl.SSLContext, data: bytes) -> bytes:
    """Sends it, then a FIN; gives all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as plain:
        wire = context.wrap_socket(plain, server_hostname="127.0.0.1")
        answer = b""
        with wire, contextlib.suppress(ConnectionError, ssl.SSLError):
            wire.sendall(data)
            socket.socket.shutdown(wire, socket.SHUT_WR)
            while piece := wire.recv(65536):
                answer += piece
        return answer


async def test_mangled_requests(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    config = wire.config()
    assert config.ca is not None
    context = ssl.create_default_context(cadata=config.ca.decode())
    certificate, key = wire.pki.client("admin", ("system:masters",))
    context.load_cert_chain(certificate, key)
    seed = int(os.environ.get("STARLINK_FUZZ_SEED", "7"))
    print(f"STARLINK_FUZZ_SEED={seed}")
    answered = 0
    for number in range(PAYLOADS):
        data = mutated(random.Random(f"{seed}/{number}"))
        answer = await asyncio.to_thread(exchange, wire.port, context, data)
        assert b"Traceback" not in answer and b" 500 " not in answer.partition(b"\r\n")[0], (seed, number, data, answer)
        assert not answer or answer.startswith(b"HTTP/1.1 "), (seed, number, data, answer)
        answered += bool(answer)
        assert not [record for record in caplog.records if record.exc_info], (seed, number, data, caplog.text)
    assert answered > PAYLOADS // 3
    good = await asyncio.to_thread(exchange, wire.port, context, GOOD[0])
    assert good.startswith(b"HTTP/1.1 200 ")
