"""What leaves the artifact cache, and that nothing else does."""

import hashlib
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlink.artifacts import cache
from starlink.artifacts.eviction import Bounds, Entry, plan

NOW, DAY = 1_000_000.0, 86_400.0
A, B, C = "a" * 64, "b" * 64, "c" * 64


@pytest.mark.parametrize(
    ("size", "age", "in_use", "going"),
    [
        (1_000, 30 * DAY, "", ""),
        (30, 30 * DAY, "", ""),
        (29, 30 * DAY, "", "a"),
        (19, 30 * DAY, "", "ab"),
        (0, 30 * DAY, "", "abc"),
        (1_000, 2.5 * DAY, "", "a"),
        (1_000, 0, "", "abc"),
        (29, 30 * DAY, "a", "b"),
        (0, 0, "ac", "b"),
        (0, 0, "abc", ""),
    ],
)
def test_the_longest_unused_go_until_the_rest_fits(size: int, age: float, in_use: str, going: str) -> None:
    known = [Entry("c", 10, NOW - DAY), Entry("a", 10, NOW - 3 * DAY), Entry("b", 10, NOW - 2 * DAY)]
    assert "".join(entry.name for entry in plan(known, in_use, NOW, Bounds(size, age))) == going


ENTRIES = st.lists(
    st.builds(Entry, st.text("abcdef", min_size=1, max_size=2), st.integers(0, 100), st.floats(0, 100)),
    unique_by=lambda entry: entry.name, max_size=8,
)  # fmt: skip


@given(ENTRIES, st.sets(st.text("abcdef", min_size=1, max_size=2)), st.integers(0, 300), st.floats(0, 120))
def test_what_stays_is_in_use_or_young_and_fits_and_nothing_goes_in_vain(
    known: list[Entry], in_use: set[str], size: int, age: float
) -> None:
    going = plan(known, in_use, 100.0, Bounds(size, age))
    stays = [entry for entry in known if entry not in going]
    assert not {entry.name for entry in going} & in_use
    loose = [entry for entry in stays if entry.name not in in_use]
    assert all(100.0 - entry.used <= age for entry in loose)
    assert not loose or sum(entry.size for entry in stays) <= size
    young = [entry for entry in going if 100.0 - entry.used <= age]
    assert all(other.used <= entry.used for other in young for entry in loose), "the longest unused first"
    assert plan(stays, in_use, 100.0, Bounds(size, age)) == []
    assert not young or sum(entry.size for entry in (*stays, young[-1])) > size


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (A, B):
        (tmp_path / name).write_bytes(b"x" * 10)
        os.utime(tmp_path / name, (1, 1))
    return tmp_path


def test_entries_are_what_has_a_digest_for_its_name(folder: Path) -> None:
    (folder / "mine.zip").write_bytes(b"somebody's")
    (folder / ("a" * 63)).write_bytes(b"somebody's")
    (folder / C).mkdir()
    (folder / C / "x").touch()
    found = {entry.name: entry for entry in cache.entries(folder)}
    assert found.keys() == {A, B, C} and found[A] == Entry(A, 10, 1.0)
    cache.remove(folder, found.values())
    assert sorted(path.name for path in folder.iterdir()) == ["a" * 63, "mine.zip"]
    cache.remove(folder, found.values())
    assert cache.entries(folder / "absent") == []


def test_what_was_used_after_the_look_stays(folder: Path) -> None:
    entries = cache.entries(folder)
    cache.note_use(folder, (A, C))
    cache.remove(folder, entries)
    assert [entry.name for entry in cache.entries(folder)] == [A]


def test_a_use_is_noted_on_the_file_and_a_link_is_not_followed(folder: Path) -> None:
    content = b"an archive"
    name = hashlib.sha256(content).hexdigest()
    (folder / name).write_bytes(content)
    os.utime(folder / name, (1, 1))
    found = cache.find(folder, name)
    assert found is not None and found.read() == content
    found.close()
    assert (folder / name).stat().st_mtime > 1
    (folder / C).symlink_to(folder / A)
    cache.note_use(folder, [C])
    assert (folder / A).stat().st_mtime == 1 and stat.S_ISLNK((folder / C).lstat().st_mode)


def test_what_a_broken_transfer_left_goes_and_one_that_comes_stays(folder: Path) -> None:
    (folder / ".fetch-old").write_bytes(b"cut")
    with cache.adding(folder, C) as file:
        file.write(b"new")
        cache.sweep(folder)
        assert not (folder / ".fetch-old").exists() and len(list(folder.glob(".fetch-*"))) == 1
    assert (folder / C).read_bytes() == b"new"
