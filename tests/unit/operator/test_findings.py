"""What the operator finds out about artifacts, from a real server, in real processes."""

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import soon
from tests.unit.artifacts.packages import elf, tarred, zipped

from starlink.api.meta import ObjectKey
from starlink.api.task import ArtifactFinding, Task
from starlink.backoff import Pauses
from starlink_operator.findings import DEFAULT_BOUNDS, ON_SERVERS, PENDING, Bounds, Findings

PACKAGE = zipped({"start.sh": b"#!/bin/sh\n", "bin/app": elf("riscv64")})
SCRIPTS = tarred({"start.sh": b"#!/bin/sh\n"}, "gz")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def task(name: str, url: str = "", digest: str = "", **spec: Any) -> Task:
    status = spec.pop("status", {})
    artifact = {"url": url, "sha256": digest, **spec.pop("artifact", {})}
    manifest = {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"template": {"artifact": artifact} if url or len(artifact) > 2 else {"command": ["x"]}, **spec},
        "status": status,
    }
    return msgspec.convert(manifest, Task)


class Shop(ThreadingHTTPServer):
    """Serves `goods` by path; a path that is not there is a 404, and `/never` does not answer while it is open."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Counter)
        self.goods = {"/package.zip": PACKAGE, "/scripts.tgz": SCRIPTS}
        self.asked: list[str] = []
        self.closing = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Counter(BaseHTTPRequestHandler):
    server: Shop

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/never":
            self.server.closing.wait()
            return
        content = self.server.goods.get(self.path)
        self.send_response(200 if content is not None else 404)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.closing.set()
    made.shutdown()
    thread.join()
    made.server_close()


class Told(list[ObjectKey]):
    """The keys that were called back with."""


@asynccontextmanager
async def looking(
    allow_local: bool = True, bounds: Bounds = DEFAULT_BOUNDS, pause: float = 60.0
) -> AsyncIterator[tuple[Findings, Told]]:
    told = Told()
    findings = Findings(told.append, allow_local=allow_local, bounds=bounds, pauses=Pauses(pause, pause))
    running = asyncio.create_task(findings.run())
    try:
        yield findings, told
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def settled(findings: Findings, told: Told, asked: Task) -> ArtifactFinding:
    assert findings.wanted(asked) is PENDING
    await soon(lambda: asked.key in told, f"a finding for {asked.key}")
    found = findings.wanted(asked)
    assert isinstance(found, ArtifactFinding)
    return found


async def test_an_artifact_is_looked_into_once_for_all_its_tasks(shop: Shop) -> None:
    async with looking() as (findings, told):
        first, second = (task(name, shop.url("/package.zip"), sha256(PACKAGE)) for name in "ab")
        assert findings.wanted(second) is PENDING
        expected = ArtifactFinding(
            digest=sha256(PACKAGE), architectures=("riscv64",), source="ELF headers of 1 executable"
        )
        assert await settled(findings, told, first) == expected == findings.wanted(second)
        assert sorted(told) == [first.key, second.key]
        assert findings.wanted(task("c", shop.url("/elsewhere"), sha256(PACKAGE))) == expected
        assert shop.asked == ["/package.zip"]


async def test_a_task_that_says_where_it_runs_is_not_looked_into(shop: Shop) -> None:
    url, digest = shop.url("/package.zip"), sha256(PACKAGE)
    variant = {"architecture": "arm64", "url": url, "sha256": digest}
    async with looking() as (findings, told):
        assert findings.wanted(task("a")) is None
        assert findings.wanted(task("b", url, digest, placement={"architectures": ["amd64"]})) is None
        assert findings.wanted(task("c", artifact={"variants": [variant]})) is None
        assert findings.wanted(task("d", "file:package.zip", digest)) is ON_SERVERS
        await settled(findings, told, task("e", shop.url("/scripts.tgz"), sha256(SCRIPTS)))
        assert shop.asked == ["/scripts.tgz"]


async def test_what_an_earlier_leader_found_is_not_looked_for_again(shop: Shop) -> None:
    known = {"digest": sha256(PACKAGE), "architectures": ["riscv64"], "source": "ELF headers of 1 executable"}
    async with looking() as (findings, _):
        url = shop.url("/package.zip")
        found = findings.wanted(task("a", url, sha256(PACKAGE), status={"artifact": known}))
        assert isinstance(found, ArtifactFinding) and found.architectures == ("riscv64",)
        assert findings.wanted(task("b", url, sha256(SCRIPTS), status={"artifact": known})) is PENDING


async def test_that_an_artifact_runs_nowhere_is_found_anew(shop: Shop) -> None:
    """Who led before may have known fewer architectures."""
    shop.goods["/old.zip"] = zipped({"bin/app": elf("i386")})
    digest = sha256(shop.goods["/old.zip"])
    known = {"digest": digest, "source": "ELF headers of 1 executable"}
    async with looking() as (findings, told):
        found = await settled(findings, told, task("a", shop.url("/old.zip"), digest, status={"artifact": known}))
        assert found.architectures == () and found.nowhere is not None
        assert "no server can run its artifact (ELF headers" in found.nowhere.message
        declared = {"placement": {"architectures": ["amd64"]}, "status": {"artifact": known}}
        assert findings.wanted(task("b", shop.url("/old.zip"), digest, **declared)) is None
    assert not ON_SERVERS.nowhere and not ArtifactFinding(source="could not be read: x").nowhere


async def test_loopback_is_refused_unless_allowed(shop: Shop) -> None:
    async with looking(allow_local=False) as (findings, told):
        found = await settled(findings, told, task("a", shop.url("/package.zip"), sha256(PACKAGE)))
    assert found.source.startswith("could not be read: ArtifactNotFound: 127.0.0.1 is at 127.0.0.1, a loopback")
    assert (found.digest, found.architectures, shop.asked) == ("", (), [])


@pytest.mark.parametrize(("path", "digest", "said"), [
    ("/none", sha256(PACKAGE), "ArtifactNotFound: "),
    ("/package.zip", "0" * 64, "ArtifactChecksumMismatch: "),
    ("/junk", sha256(b"junk"), "ArtifactCorrupt: "),
])  # fmt: skip
async def test_a_failure_says_why(shop: Shop, path: str, digest: str, said: str) -> None:
    shop.goods["/junk"] = b"junk"
    async with looking() as (findings, told):
        found = await settled(findings, told, task("a", shop.url(path), digest))
    assert found.source.startswith(f"could not be read: {said}") and found.architectures == ()


async def test_a_failure_is_tried_again_and_told_once(shop: Shop) -> None:
    wanted = task("a", shop.url("/late"), sha256(PACKAGE))
    async with looking(pause=0.0) as (findings, told):
        await settled(findings, told, wanted)
        await soon(lambda: len(shop.asked) >= 3, "three tries")
        assert told == [wanted.key]
        shop.goods["/late"] = PACKAGE
        await soon(lambda: len(told) == 2, "the finding")
        found = findings.wanted(wanted)
    assert isinstance(found, ArtifactFinding) and found.architectures == ("riscv64",)


async def test_what_nobody_wants_any_more_is_not_tried_again(shop: Shop) -> None:
    gone, changed = (task(name, shop.url("/none"), sha256(PACKAGE)) for name in "ab")
    async with looking(pause=0.0) as (findings, told):
        await settled(findings, told, gone)
        findings.wanted(changed)
        findings.forget(gone.key)
        assert findings.wanted(task("b", "file:x", sha256(PACKAGE))) is ON_SERVERS
        await settled(findings, told, task("c", shop.url("/scripts.tgz"), sha256(SCRIPTS)))
        await settled(findings, told, task("d", shop.url("/package.zip"), sha256(PACKAGE)))
        before = shop.asked.count("/none")
        shop.goods["/again"] = zipped({"x": b""})
        await settled(findings, told, task("e", shop.url("/again"), sha256(shop.goods["/again"])))
        assert shop.asked.count("/none") == before


async def test_time_and_size_are_bounded(shop: Shop) -> None:
    async with looking(bounds=Bounds(seconds=1, max_bytes=50)) as (findings, told):
        slow = await settled(findings, told, task("a", shop.url("/never"), sha256(PACKAGE)))
        large = await settled(findings, told, task("b", shop.url("/package.zip"), sha256(PACKAGE)))
    assert slow.source.endswith("/never was not fetched and read within 1 s")
    assert "ArtifactTooLarge" in large.source and "has more than 50 bytes" in large.source


async def test_no_more_than_two_are_looked_into_at_once_and_none_outlives_us(shop: Shop) -> None:
    async with looking() as (findings, _):
        for number in range(4):
            findings.wanted(task(f"t{number}", shop.url("/never"), f"{number:064}"))
        await soon(lambda: len(shop.asked) == 2, "two requests")
        assert len(_children()) == 2
    assert _children() == [] and len(shop.asked) == 2


def _children() -> list[str]:
    """Our child processes that look into artifacts."""
    children = Path("/proc/self/task").glob("*/children")
    pids = {pid for file in children for pid in file.read_text().split()}
    return [pid for pid in pids if b"starlink.artifacts.inspect" in Path(f"/proc/{pid}/cmdline").read_bytes()]
