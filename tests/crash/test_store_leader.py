"""The loss of etcd's leader, seen by the store alone: no write and no event is lost."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.conftest import soon
from tests.contract.etcd_stores import opened
from tests.contract.stores import Collector
from tests.etcd_server import EtcdServer

from starlink.store.base import Change, Conflict, Key, Record, StoreUnavailable
from starlink.store.etcd import EtcdStore
from starlink.store.etcd.envelope import unwrap


class Writer:
    """Writes its own keys one after another, notes what was acknowledged and when."""

    def __init__(self, store: EtcdStore, number: int) -> None:
        self._store = store
        self._name = number
        self.acknowledged: list[tuple[Change, Record]] = []
        self.times: list[float] = []
        self.refused = 0
        self.stop = False
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        seen = 0
        for number in itertools.count():
            if self.stop:
                return
            key = Key("g/things", "ns", f"{self._name}-{number % 9}")
            current = self._store.latest(key)
            change = Change.DELETE if current is not None and number % 4 == 0 else Change.PUT
            try:
                if change is Change.DELETE:
                    assert current is not None
                    record = await self._store.delete(key, expect=current.revision)
                else:
                    body = f"{self._name} {number}".encode()
                    record = await self._store.put(key, body, expect=current.revision if current else 0)
                    assert record.body == body
            except (StoreUnavailable, Conflict):  # Conflict: an unavailable one was done after all
                self.refused += 1
                continue
            self.acknowledged.append((change, record))
            self.times.append(time.monotonic())
            assert seen < record.revision <= self._store.revision, "the revision went back"
            seen = record.revision

    async def done(self) -> None:
        self.stop = True
        await self._task

    def back_after(self, moment: float) -> float:
        """How long after `moment` the last write began to be acknowledged again: the longest gap."""
        times = [at for at in self.times if at > moment - 0.2]
        gaps = zip([moment, *times], times, strict=False)
        return max((later - max(earlier, moment) for earlier, later in gaps if later > moment), default=float("inf"))


@pytest.mark.parametrize(("fault", "position"), [("kill", "first"), ("kill", "last"), ("freeze", "first")])
async def test_the_loss_of_the_leader_loses_no_write_and_no_event(tmp_path: Path, fault: str, position: str) -> None:
    with EtcdServer(tmp_path, members=3) as server:
        leader = server.leader()
        endpoints = server.endpoints
        endpoints.insert(0 if position == "first" else 2, endpoints.pop(leader))
        async with opened(endpoints) as store, opened(endpoints[::-1]) as other:
            await soon(lambda: store.revision == other.revision, "both servers to be at one revision")
            start = store.revision
            told = [Collector(store.watch("g/things", None, start)) for _ in range(10)]
            told.append(Collector(other.watch(None, None, start)))
            writers = [Writer(store, number) for number in range(4)]
            await asyncio.sleep(0.7)
            lost = time.monotonic()
            await asyncio.to_thread(server.kill if fault == "kill" else server.freeze, leader)
            await soon(lambda: all(w.times and w.times[-1] > lost + 3 for w in writers), "writes to go on", 40)
            if fault == "kill":
                await asyncio.to_thread(server.restart, leader)
            else:
                server.thaw(leader)
            await asyncio.sleep(1)
            for writer in writers:
                await writer.done()
            await asyncio.to_thread(server.wait)
            await all_told(server, told)
            check(server, store, start, told, writers)
            acknowledged = [len(writer.acknowledged) for writer in writers]
            back = [round(writer.back_after(lost), 2) for writer in writers]
            refused = [writer.refused for writer in writers]
            print(f"{fault}, endpoint {position}: back after {back} s; acknowledged {acknowledged}, refused {refused}")


async def all_told(server: EtcdServer, told: Sequence[Collector]) -> None:
    """Waits until all have heard of all. A write that was given up may be done after the last answer, so the end is
    asked for again and again."""
    until = time.monotonic() + 20.0
    while True:
        end = await asyncio.to_thread(server.revision)
        last = [collector.revisions[-1] if collector.revisions else 0 for collector in told]
        if set(last) == {end}:
            return
        if time.monotonic() > until:
            members = [await asyncio.to_thread(server.revision, index) for index in range(len(server.ports))]
            pytest.fail(f"the watchers are at {last}; etcd's members are at {members}")
        await asyncio.sleep(0.1)


def check(
    server: EtcdServer, store: EtcdStore, start: int, told: Sequence[Collector], writers: Sequence[Writer]
) -> None:
    events = told[0].events
    assert all(collector.events == events and collector.end is None for collector in told)
    # Nothing else writes to this etcd: each revision is one event.
    assert told[0].revisions == list(range(start + 1, server.revision() + 1))
    happened = {(event.change, event.record.revision): event.record for event in events}
    for writer in writers:
        for change, record in writer.acknowledged:
            assert happened[change, record.revision] == record
    held = {name.rpartition("/")[2]: value for name, value in server.held("/starlink/g/things/ns/").items()}
    found = {record.key.name: (record.revision, record.body) for record in store.list("g/things")}
    assert found.keys() == held.keys()
    for name, (revision, _, value) in held.items():
        assert found[name] == (revision, unwrap(Key("g/things", "ns", name), value))
