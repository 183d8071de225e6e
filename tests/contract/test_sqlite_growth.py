"""The log of events is bounded on the disk too, by the bytes of what was written as by its number."""

from pathlib import Path

import pytest
from tests.contract.sqlite_stores import opened
from tests.contract.stores import A, take

from starlink.store import sqlite_file
from starlink.store.base import Expired

BODY = b"x" * 10_000
MOST = 200_000


async def test_large_bodies_leave_the_log_and_watches_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "MOST_BYTES", MOST)
    path = tmp_path / "s.db"
    async with opened(path, kept=1_000) as store:
        revision = 0
        for number in range(200):
            revision = (await store.put(A, b"%d %b" % (number, BODY), expect=revision)).revision
    assert path.stat().st_size < 6 * MOST  # each event has the body before it too
    async with opened(path, kept=1_000) as store:
        with pytest.raises(Expired):
            store.watch(A.resource, None, revision - 100)
        told = await take(store.watch(A.resource, None, revision - 5), 5)
        assert [event.record.revision for event in told] == list(range(revision - 4, revision + 1))
