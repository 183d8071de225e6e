"""What artifacts may do to the agent that fetches and unpacks them: little."""

import asyncio
import contextlib
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.attack.archives import Item, listed, tar
from tests.attack.instances import bench
from tests.conftest import soon

from starlink.api.template import Artifact
from starlink.artifacts.errors import ArtifactError
from starlink_nodeagent import preparation, threads
from starlink_nodeagent.host import FETCHES, Host
from starlink_nodeagent.journal import Journal
from starlink_nodeagent.user import TaskUser
from starlink_nodeagent.users import Users

CONTENT = tar(Item("start.sh", b"#!/bin/sh\n", mode=0o755))


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"


@pytest.fixture
def crawling() -> Iterator[str]:
    """A server that sends a header's byte now and then."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                opened, _ = listener.accept()
                with opened:
                    opened.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                    while not over.wait(0.05):
                        opened.sendall(b"x")

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def host(folder: Path, allow_local: bool) -> Host:
    (folder / "shelf").mkdir(exist_ok=True)
    made = Host(
        "s1", Journal(folder / "instances"), folder / "cache", folder / "shelf", Users(shared=TaskUser("me", os.geteuid(), os.getegid())), os.environ["PATH"],
        time.time,
    )  # fmt: skip
    made.allow_local_artifacts = allow_local
    return made


def artifact(url: str, content: bytes = CONTENT) -> Artifact:
    return Artifact(url=url, sha256=hashlib.sha256(content).hexdigest())


async def test_the_agent_fetches_from_itself_only_with_the_option(tmp_path: Path, silent: str) -> None:
    with pytest.raises(ArtifactError, match="--allow-local-artifacts") as caught:
        await preparation._unpack(artifact(silent), tmp_path / "work", host(tmp_path, allow_local=False))
    assert caught.value.reason == "ArtifactNotFound"


async def test_servers_that_say_nothing_hold_up_nothing_else(tmp_path: Path, silent: str) -> None:
    place = host(tmp_path, allow_local=True)
    (tmp_path / "shelf" / "a.tar").write_bytes(CONTENT)
    slow = [
        asyncio.create_task(preparation._unpack(artifact(silent, bytes([number])), tmp_path / str(number), place))
        for number in range(FETCHES - 1)
    ]
    while place.fetches.taken < FETCHES - 1:
        await asyncio.sleep(0)
    assert await asyncio.to_thread(int, "7") == 7  # as names are looked up
    await preparation._unpack(artifact("file:a.tar"), tmp_path / "work", place)
    assert (tmp_path / "work" / "start.sh").exists() and not any(task.done() for task in slow)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_a_slow_server_with_the_same_archive_holds_up_nobody_else(tmp_path: Path, silent: str) -> None:
    place = host(tmp_path, allow_local=True)
    (tmp_path / "shelf" / "a.tar").write_bytes(CONTENT)
    slow = asyncio.create_task(preparation._unpack(artifact(silent), tmp_path / "slow", place))
    while not place.fetches.taken:
        await asyncio.sleep(0)
    await preparation._unpack(artifact("file:a.tar"), tmp_path / "work", place)
    assert (tmp_path / "work" / "start.sh").exists() and not slow.done()
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)


async def test_a_stop_waits_for_no_server(tmp_path: Path, crawling: str) -> None:
    """And its fetch ends soon, so that what is made and deleted again and again has no more than its slots."""
    async with bench(tmp_path) as site:
        site.host.allow_local_artifacts = True
        wanted = artifact(crawling)
        instance = site.begin(site.record("slow", artifact={"url": wanted.url, "sha256": wanted.sha256}))
        await soon(lambda: site.host.fetches.taken == 1, "its fetch is under way")
        instance.stop()
        await instance.over()
        assert (instance.record.phase, instance.record.reason) == ("Stopped", "Stopped")
        await soon(lambda: site.host.fetches.taken == 0, "its fetch has ended")


def test_no_server_keeps_the_agent_from_ending(silent: str, tmp_path: Path) -> None:
    script = f"""
import asyncio, hashlib
from pathlib import Path
from starlink.artifacts.fetch import Places, fetch
from starlink.artifacts.guard import Guard
from starlink_nodeagent import threads

async def main():
    places = Places(Path({str(tmp_path)!r}), guard=Guard(allow_local=True))
    task = asyncio.create_task(threads.run(fetch, {silent!r}, "0" * 64, places))
    while not list(Path({str(tmp_path)!r}).glob(".fetch-*")):
        await asyncio.sleep(0)
    task.cancel()

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], timeout=20, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


async def test_the_loop_goes_on_while_a_large_directory_is_read(tmp_path: Path) -> None:
    content = listed(4_000)
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "a.zip").write_bytes(content)
    unpacking = asyncio.create_task(
        preparation._unpack(artifact("file:a.zip", content), tmp_path / "work", host(tmp_path, allow_local=False))
    )
    turns = 0
    while not unpacking.done():
        await asyncio.sleep(0)
        turns += 1
    await unpacking
    assert turns > 20


async def test_threads_give_and_raise_what_the_work_does() -> None:
    assert await threads.run(pow, 2, 10) == 1024
    with pytest.raises(ZeroDivisionError):
        await threads.run(divmod, 1, 0)
