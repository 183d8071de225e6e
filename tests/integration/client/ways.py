"""What stands between a client and an API server: a proxy that takes CONNECT, and programs that give credentials."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

PLUGIN = """#!{python}
import json, os, sys
folder = {folder!r}
with open(folder + "/calls", "a") as calls:
    calls.write(os.environ["KUBERNETES_EXEC_INFO"] + "\\n")
{first}
with open(folder + "/status") as status:
    said = json.load(status)
version = json.loads(os.environ["KUBERNETES_EXEC_INFO"])["apiVersion"]
json.dump({{"apiVersion": version, "kind": "ExecCredential", "status": said}}, sys.stdout)
"""


@dataclass
class Connect:
    """A proxy on loopback: leads to where `to` says, whatever it is asked for; `status` is what it answers."""

    to: int = 0
    status: str = "200 Connection established"
    port: int = 0
    asked: list[str] = field(default_factory=list)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(f"HTTP/1.1 {self.status}\r\nProxy-Agent: test\r\n\r\n".encode())
        if not self.status.startswith("2"):
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.to)
        await asyncio.gather(_pass(reader, back), _pass(there, writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def connect(to: int, status: str = "200 Connection established") -> AsyncIterator[Connect]:
    """Runs the proxy."""
    proxy = Connect(to, status)
    server = await asyncio.start_server(proxy._meet, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    yield proxy
    server.close()


def program(folder: Path, first: str = "") -> Path:
    """An executable that gives what the file `status` beside it holds, and keeps what it was told in `calls`; `first`
    is what it does before."""
    folder.mkdir(exist_ok=True)
    file = folder / "login"
    file.write_text(PLUGIN.format(python=sys.executable, folder=str(folder), first=first))
    file.chmod(0o755)
    return file


def calls(folder: Path) -> list[str]:
    """What the program was told, a line a call."""
    file = folder / "calls"
    return file.read_text().splitlines() if file.exists() else []
