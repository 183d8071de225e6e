"""The agent keeps its artifact cache within its bounds: a real folder, and a clock that is passed in."""

import asyncio
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from tests.conftest import soon

from starlink_nodeagent.artifacts import eviction
from starlink_nodeagent.artifacts.eviction import AGE_SECONDS, LARGEST, BadLimit, Eviction, Limits, limits

A, B, C = "a" * 64, "b" * 64, "c" * 64
NOW = 10_000_000_000.0
"""After all that was used by the clock of the wall."""
DAY = 86_400.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cache = tmp_path / "artifacts"
    cache.mkdir()
    for age, name in enumerate((A, B, C), 1):
        (cache / name).write_bytes(b"x" * 100)
        os.utime(cache / name, (NOW - age * DAY, NOW - age * DAY))
    return cache


def left(folder: Path) -> str:
    return "".join(sorted(path.name[0] for path in folder.iterdir()))


async def test_by_size_and_by_age_what_is_unused_longest_goes(folder: Path) -> None:
    await Eviction(folder, Limits(), set, lambda: NOW).evict()
    assert left(folder) == "abc"
    await Eviction(folder, Limits(age=2.5 * DAY), set, lambda: NOW).evict()
    assert left(folder) == "ab"
    await Eviction(folder, Limits(size=150), set, lambda: NOW).evict()
    assert left(folder) == "a"
    await Eviction(folder, Limits(), set, lambda: NOW + AGE_SECONDS).evict()
    assert left(folder) == ""


async def test_what_is_in_use_stays_and_is_no_older_when_it_is_used_no_more(folder: Path) -> None:
    in_use = {C}
    keeper = Eviction(folder, Limits(size=0, age=DAY), lambda: in_use, lambda: NOW)
    os.utime(folder / C, (1, 1))
    await keeper.evict()
    assert left(folder) == "c" and (folder / C).stat().st_mtime > 1


async def test_a_full_disk_takes_all_that_is_unused(folder: Path) -> None:
    (folder / ".fetch-broken").write_bytes(b"x")
    keeper = Eviction(folder, Limits(), lambda: {B}, lambda: NOW)
    keeper.make_room()
    await keeper.evict()
    assert left(folder) == "b"
    (folder / A).write_bytes(b"x")
    os.utime(folder / A, (NOW, NOW))
    await keeper.evict()
    assert left(folder) == "ab", "once"


async def test_it_looks_again_when_it_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eviction, "REST_SECONDS", 0.0)
    keeper = Eviction(folder, Limits(size=250), set, lambda: NOW)
    running = asyncio.create_task(keeper.run())
    await soon(lambda: left(folder) == "ab", "it has looked")
    (folder / ("d" * 64)).write_bytes(b"x" * 100)
    keeper.look_again()
    await soon(lambda: len(left(folder)) == 2, "it has looked again")
    running.cancel()


async def test_without_a_cache_nothing_is_done(tmp_path: Path) -> None:
    await Eviction(tmp_path / "absent", Limits(), set, lambda: NOW).evict()
    assert [*tmp_path.iterdir()] == []


async def test_by_default_it_is_a_tenth_of_the_disk_and_no_more_than_10_gib(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total")
    for total, size, stays in ((2_990, 100, "ab"), (10**15, LARGEST // 2, "ab")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, total=total: usage(total))
        for age, name in enumerate((A, B, C), 1):
            (folder / name).touch()
            os.truncate(folder / name, size)
            os.utime(folder / name, (NOW - age * DAY, NOW - age * DAY))
        await Eviction(folder, Limits(), set, lambda: NOW).evict()
        assert left(folder) == stays


@pytest.mark.parametrize(("size", "age", "said"), [
    ("much", "", "--cache-size much: write bytes with an optional unit, such as 10Gi"),
    ("-1", "", "--cache-size -1: "),
    ("", "30d", "--cache-age 30d: write a time such as 720h"),
])  # fmt: skip
def test_a_bad_limit_is_told(size: str, age: str, said: str) -> None:
    with pytest.raises(BadLimit, match=said):
        limits(size, age)
    assert limits("1Gi", "24h") == Limits(1 << 30, DAY) and limits("", "") == Limits()
