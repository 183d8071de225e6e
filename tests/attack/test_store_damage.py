"""Damage anywhere in a store: a start serves exactly what was acknowledged, or refuses and says what to do."""

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.attack.store_damage import EVERYWHERE, PAGE, Site, changed, cut, flipped, key, killed
from tests.crash.site import seed

from starlink.store.base import Change, Event, Record, StoreRefused
from starlink.store.seal import Plain
from starlink.store.sqlite_file import Durability, SqliteFile

_SECTOR = 512
_FIELDS: dict[str, tuple[int, int, int]] = {
    "database": (164, PAGE, 64),
    "wal": (32, 24 + PAGE, 88),
    "mark": (0, 4096, 64),
}
"""Where the bytes are that say how a file is made: how many it begins with; how long a page, frame or slot of it is, and
how many of those it begins with."""
_SHARE = 1.0 if EVERYWHERE else 0.05
"""Of what is no field: as much as a sample costs, and over some runs all of it."""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = killed(tmp_path)
    assert made.verdict() == "whole"
    assert made.database.stat().st_size >= 5 * PAGE and made.wal.stat().st_size >= 6 * PAGE
    return made


FILES: dict[str, Callable[[Site], Path]] = {
    "database": lambda site: site.database,
    "wal": lambda site: site.wal,
    "mark": lambda site: site.mark,
}


def offsets(which: str, size: int, rng: random.Random) -> Iterator[int]:
    """Those of all bytes that say how the file is made, and of the others all or a random part."""
    head, part, fields = _FIELDS[which]
    first = head if which == "wal" else 0  # where the first part begins
    for at in range(size):
        if at < head or (at - first) % part < fields or rng.random() < _SHARE:
            yield at


@pytest.mark.parametrize("which", FILES)
def test_a_flipped_bit_anywhere(site: Site, which: str) -> None:
    path, chosen = FILES[which](site), seed()
    print(f"STARLINK_SEED={chosen}")
    content = path.read_bytes()
    seen: Counter[bool] = Counter()
    for at in offsets(which, len(content), random.Random(chosen)):
        with changed(path, at, flipped(content, at)):
            seen[site.verdict() == "whole"] += 1
    assert path.read_bytes() == content and site.verdict() == "whole"
    assert seen[False] if which != "mark" else not seen[False]  # one slot of the mark is always left


@pytest.mark.parametrize("which", FILES)
def test_a_file_that_is_cut_anywhere(site: Site, which: str) -> None:
    path = FILES[which](site)
    lengths = [length for length in range(path.stat().st_size) if EVERYWHERE or length < 64 or length % 61 == 0]
    for length in lengths:
        with cut(path, length):
            verdict = site.verdict()
            assert verdict != "whole" or which == "mark"
    assert site.verdict() == "whole"


@pytest.mark.parametrize("which", FILES)
@pytest.mark.parametrize("filling", [b"\0", b"\xff"])
def test_a_sector_that_is_lost(site: Site, which: str, filling: bytes) -> None:
    path = FILES[which](site)
    for at in range(0, path.stat().st_size, _SECTOR):
        with changed(path, at, (filling * _SECTOR)[: path.stat().st_size - at]):
            site.verdict()
    assert site.verdict() == "whole"


def test_a_page_of_an_earlier_time(site: Site, tmp_path: Path) -> None:
    """A write of the disk that was lost: the page is sound, and old."""
    later = killed(tmp_path / "later", checkpointed=9, in_wal=2)
    assert later.verdict() == "whole"
    pages = later.database.stat().st_size // PAGE
    earlier = site.database.read_bytes()
    for number in range(pages):
        with changed(later.database, number * PAGE, earlier[number * PAGE : (number + 1) * PAGE]):
            later.verdict()


def test_both_slots_of_the_mark(site: Site) -> None:
    site.mark.write_bytes(bytes(site.mark.stat().st_size))
    assert "s.db.mark is damaged" in site.verdict() and "echo accept-loss > " in site.verdict()
    site.database.with_name("s.db.open").write_text("accept-loss\n")
    assert site.verdict() == "whole"


def test_a_store_that_was_killed_and_has_lost_its_mark(site: Site) -> None:
    site.mark.unlink()
    assert "s.db.mark is gone" in site.verdict() and "echo accept-loss > " in site.verdict()
    site.database.with_name("s.db.open").write_text("accept-loss\n")
    assert site.verdict() == "whole"


@pytest.mark.parametrize(("checkpointed", "in_wal"), [(4, 6), (9, 2), (60, 3), (2, 60)])
def test_an_older_log_is_not_replayed_over_a_newer_database(tmp_path: Path, checkpointed: int, in_wal: int) -> None:
    """The newer one goes on from the older one, and was closed."""
    older, newer = killed(tmp_path / "older", checkpointed, in_wal), tmp_path / "newer"
    shutil.copytree(older.database.parent, newer)
    file = SqliteFile(newer / "s.db", 100, Plain(), Durability.FULL)
    revision = file.open().revision
    previous = None
    for number in range(1, 6):
        record = Record(key(1000), revision + number, b"{}")
        file.commit([Event(Change.PUT, record, previous)])
        previous = record
    file.close()
    shutil.copy(newer / "s.db", older.database)
    before = older.database.read_bytes(), older.wal.read_bytes()
    for _ in range(2):
        with pytest.raises(StoreRefused, match=r"s\.db.* move .*-wal, .*\.mark and .*\.open away|restore a backup"):
            SqliteFile(older.database, 100, Plain(), Durability.FULL).open()
    assert (older.database.read_bytes(), older.wal.read_bytes()) == before
    for path in (older.wal, older.mark, older.database.with_name("s.db.open")):
        path.unlink()
    again = SqliteFile(older.database, 100, Plain(), Durability.FULL)
    assert again.open().revision == revision + 5
    again.close()
