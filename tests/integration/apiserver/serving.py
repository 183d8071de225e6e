"""An HTTP server over a handler of the test's own, and clients that say exactly what they are told to."""

import asyncio
import contextlib
import datetime
import json
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlink.apiserver import precedence
from starlink.apiserver.security.authentication.authenticator import Authenticator
from starlink.apiserver.security.authentication.tokens import TokenIssuer
from starlink.apiserver.security.certificates.pki import Pki
from starlink.http.dispatch import Handle
from starlink.http.limits import Limits
from starlink.http.message import Request, Response
from starlink.http.server import HttpServer
from starlink.http.tls import TlsContext
from starlink.store.base import Key

Pair = tuple[Path, Path]


def made_pki(folder: Path, days: int = 0) -> Pki:
    """A PKI that was made so many days from now."""
    return Pki(folder, datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days))


async def who(request: Request) -> Response:
    """Answers with who asked, and what."""
    said: dict[str, object] = {"user": request.user.name, "groups": request.user.groups, "remote": request.remote}
    said |= {"method": request.method, "path": request.path, "size": len(request.body)}
    return Response(200, json.dumps(said).encode(), {"content-type": "application/json"})


@dataclass
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Talk:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, head: str = "GET / HTTP/1.1", *headers: str, body: bytes = b"") -> Answered:
        self.send(head, *headers, body=body)
        return await self.answer(head_only=head.startswith("HEAD"))

    def send(self, head: str, *headers: str, body: bytes = b"") -> None:
        sized = [f"Content-Length: {len(body)}"] if body else []
        self.writer.write("\r\n".join([head, "Host: x", *headers, *sized, "", ""]).encode() + body)

    async def answer(self, *, head_only: bool = False) -> Answered:
        async with asyncio.timeout(20):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            line, *rest = head.rstrip().split("\r\n")
            headers = {name.lower(): value for name, value in (one.split(": ", 1) for one in rest)}
            size = 0 if head_only else int(headers.get("content-length", "0"))
            return Answered(int(line.split()[1]), headers, await self.reader.readexactly(size))

    async def rest(self) -> bytes:
        """What comes until the server closes."""
        async with asyncio.timeout(20):
            return await self.reader.read()


class Serving:
    """A running server."""

    def __init__(self, pki: Pki, server: HttpServer, tls: TlsContext, tokens: TokenIssuer, port: int) -> None:
        self.pki, self.server, self.tls, self.tokens, self.port = pki, server, tls, tokens, port

    def context(self, certificate: Pair | None = None, ca: Path | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(ca or self.pki.ca))
        if certificate:
            context.load_cert_chain(*certificate)
        return context

    @contextlib.asynccontextmanager
    async def talk(self, certificate: Pair | None = None, context: ssl.SSLContext | None = None) -> AsyncIterator[Talk]:
        made = context or self.context(certificate)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=made)
        try:
            yield Talk(reader, writer)
        finally:
            writer.transport.abort()

    async def ask(self, certificate: Pair | None = None, *headers: str, head: str = "GET / HTTP/1.1") -> Answered:
        async with self.talk(certificate) as talk:
            return await talk.ask(head, *headers)


@contextlib.asynccontextmanager
async def serving(folder: Path, handle: Handle = who, limits: Limits | None = None) -> AsyncIterator[Serving]:
    """Serves with a PKI of its own, and a service account `agents/a` of UID 1."""
    pki = made_pki(folder)
    tokens = TokenIssuer(pki.token_key)
    account = {Key("/serviceaccounts", "agents", "a"): {"metadata": {"uid": "1"}}}
    authenticator = Authenticator(tokens, account.get, time.time)
    server = HttpServer(handle, authenticator, limits=limits, account=precedence.account)
    tls = TlsContext(*pki.server(["127.0.0.1"]), pki.ca)
    port = await server.start("127.0.0.1", 0, tls)
    try:
        yield Serving(pki, server, tls, tokens, port)
    finally:
        await server.stop()
