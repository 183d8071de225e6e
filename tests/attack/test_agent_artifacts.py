"""What artifacts may do to the agent that fetches and unpacks them: little."""

import asyncio
import contextlib
import hashlib
import itertools
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.attack.archives import Item, listed, tar
from tests.attack.instances import bench
from tests.conftest import soon

from starlink.api.template import ArtifactReference
from starlink.artifacts.errors import ArtifactError, GivenUp
from starlink_nodeagent import threads
from starlink_nodeagent.artifacts.artifacts import Artifacts
from starlink_nodeagent.artifacts.eviction import Limits
from starlink_nodeagent.artifacts.lanes import FAST, SLOW, SLOW_OF_NAMESPACE, SLOW_OF_TASK, Lanes, Progress

EVIL, GOOD = ("default", "evil"), ("default", "good")
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


def shelf(folder: Path, allow_local: bool) -> Artifacts:
    (folder / "shelf").mkdir(exist_ok=True)
    return Artifacts(folder / "cache", folder / "shelf", Limits(), tuple, time.time, allow_local=allow_local)


def artifact(url: str, content: bytes = CONTENT) -> ArtifactReference:
    return ArtifactReference(url=url, sha256=hashlib.sha256(content).hexdigest())


async def test_the_agent_fetches_from_itself_only_with_the_option(tmp_path: Path, silent: str) -> None:
    with pytest.raises(ArtifactError, match="--allow-local-artifacts") as caught:
        await shelf(tmp_path, allow_local=False).unpack(artifact(silent), tmp_path / "work", EVIL)
    assert caught.value.reason == "ArtifactNotFound"


async def test_servers_that_say_nothing_hold_up_nothing_else(tmp_path: Path, silent: str) -> None:
    place = shelf(tmp_path, allow_local=True)
    (tmp_path / "shelf" / "a.tar").write_bytes(CONTENT)
    slow = [
        asyncio.create_task(place.unpack(artifact(silent, bytes([number])), tmp_path / str(number), EVIL))
        for number in range(FAST - 1)
    ]
    while place.fetches.fast < FAST - 1:
        await asyncio.sleep(0)
    assert await asyncio.to_thread(int, "7") == 7  # as names are looked up
    await place.unpack(artifact("file:a.tar"), tmp_path / "work", GOOD)
    assert (tmp_path / "work" / "start.sh").exists() and not any(task.done() for task in slow)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_servers_that_crawl_leave_their_slots_to_others(tmp_path: Path, silent: str) -> None:
    """More of one Task than there are slots; all of them have begun when another Task's artifact is asked for."""
    place = shelf(tmp_path, allow_local=True)
    place.fetches = Lanes(look=0.05)
    (tmp_path / "shelf" / "a.tar").write_bytes(CONTENT)
    order: list[str] = []

    async def have(name: str, wanted: ArtifactReference, owner: tuple[str, str]) -> None:
        await place.unpack(wanted, tmp_path / name, owner)
        order.append(name)

    evil = [
        asyncio.create_task(have(f"evil-{number}", artifact(silent, bytes([number])), EVIL))
        for number in range(FAST + 8)
    ]
    await soon(lambda: place.fetches.fast == FAST, "they have all slots")
    await have("good", artifact("file:a.tar"), GOOD)
    assert order == ["good"] and (tmp_path / "good" / "start.sh").exists()
    for task in evil:
        task.cancel()
    await asyncio.gather(*evil, return_exceptions=True)
    await soon(lambda: place.fetches.fast == place.fetches.slow == 0, "no thread is left")


async def test_few_of_a_task_and_of_a_namespace_crawl_at_once() -> None:
    """All others wait without a thread, and begin anew when there is a place."""
    lanes, over = Lanes(look=0.01), threading.Event()
    begun: Counter[str] = Counter()

    async def crawl(namespace: str, task: str) -> None:
        def work(progress: Progress) -> None:
            begun[f"{namespace}/{task}"] += 1
            while not over.wait(0.001):
                if progress.given_up:
                    raise GivenUp

        await lanes.run((namespace, task), work)

    async def fetch() -> None:
        await lanes.run(("d", "good"), lambda _: None)

    names = [(namespace, task) for namespace in "abc" for task in "123456" for _ in range(8)]
    crawling = [asyncio.create_task(crawl(*name)) for name in names]
    settled = 3 * SLOW_OF_NAMESPACE
    for _ in range(20):
        await asyncio.wait_for(fetch(), 60)
        assert lanes.fast <= FAST and lanes.slow <= SLOW
        assert max(lanes._of_tasks.values(), default=0) <= SLOW_OF_TASK
        assert max(lanes._of_namespaces.values(), default=0) <= SLOW_OF_NAMESPACE
    await soon(lambda: sum(lanes._of_namespaces.values()) == settled, "the slow ones are as many as there may be")
    over.set()
    await asyncio.gather(*crawling)
    assert lanes.fast == lanes.slow == 0 and not lanes._waiting and not lanes._of_tasks
    assert sum(begun.values()) > len(names), "those that were broken off began anew"


async def test_what_is_fast_keeps_its_slot_while_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """At each look a gigabyte more has come."""
    lanes, over, looks = Lanes(look=0.001), threading.Event(), itertools.count()
    monkeypatch.setattr(Progress, "taken", property(lambda _: next(looks) << 30))
    fast = [asyncio.create_task(lanes.run(("n", str(number % 2)), lambda _: over.wait())) for number in range(FAST)]
    await soon(lambda: lanes.fast == FAST, "they run")
    waits = asyncio.create_task(lanes.run(("n", "next"), lambda _: None))
    await soon(lambda: next(looks) > 2000, "they have been looked at")
    assert not waits.done() and (lanes.fast, lanes.slow) == (FAST, 0)
    over.set()
    await asyncio.gather(*fast, waits)


async def test_a_slow_server_with_the_same_archive_holds_up_nobody_else(tmp_path: Path, silent: str) -> None:
    place = shelf(tmp_path, allow_local=True)
    (tmp_path / "shelf" / "a.tar").write_bytes(CONTENT)
    slow = asyncio.create_task(place.unpack(artifact(silent), tmp_path / "slow", EVIL))
    while not place.fetches.fast:
        await asyncio.sleep(0)
    await place.unpack(artifact("file:a.tar"), tmp_path / "work", GOOD)
    assert (tmp_path / "work" / "start.sh").exists() and not slow.done()
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)


async def test_a_stop_waits_for_no_server(tmp_path: Path, crawling: str) -> None:
    """And its fetch ends soon, so that what is made and deleted again and again has no more than its slots."""
    async with bench(tmp_path) as site:
        site.host.artifacts.allow_local = True
        wanted = artifact(crawling)
        instance = site.begin(site.record("slow", artifact={"url": wanted.url, "sha256": wanted.sha256}))
        await soon(lambda: site.host.artifacts.fetches.fast == 1, "its fetch is under way")
        instance.stop()
        await instance.over()
        assert (instance.record.phase, instance.record.reason) == ("Stopped", "Stopped")
        await soon(lambda: site.host.artifacts.fetches.fast == 0, "its fetch has ended")


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
        shelf(tmp_path, allow_local=False).unpack(artifact("file:a.zip", content), tmp_path / "work", EVIL)
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
