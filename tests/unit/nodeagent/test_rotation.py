"""Logs are kept within their size while they are written to: real files, real events, and a clock that is passed in."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from starlink_nodeagent.layout import CURRENT_LOG
from starlink_nodeagent.logs import files as logs
from starlink_nodeagent.logs import rotation
from starlink_nodeagent.logs.rotation import KEEP_SECONDS, REST_SECONDS, SHORTEST_REST, Log, Rotation, rest

MIB = 1024 * 1024
RATE = 200_000_000
WRITTEN = 400_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


@pytest.fixture
def kept() -> Iterator[Rotation]:
    made = Rotation()
    yield made
    made.close()


def allocated(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


def until(check: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not check():
        assert time.monotonic() < end, what
        time.sleep(0.005)


@pytest.mark.parametrize("max_size", [0, 100_000, 10 * MIB, 64 * MIB])
def test_a_writer_of_200_mb_a_second_never_finds_more_room_than_is_promised(folder: Path, max_size: int) -> None:
    """It writes between two looks what it can in the time that the first one leaves."""
    current = folder / CURRENT_LOG
    log, now, pause, written, most, older = Log(folder, max_size, 3, 0.0), 0.0, REST_SECONDS, 0, [], []
    with current.open("ab", buffering=0) as out:
        while written < WRITTEN:
            count = int(RATE * pause)
            os.posix_fallocate(out.fileno(), current.stat().st_size, count)
            written += count
            most.append(allocated(current))
            now += pause
            pause = log.look(now) or REST_SECONDS
            older.append(sum(map(allocated, folder.glob("[0-9]*.log"))))
    block = 8192
    assert most[0] <= RATE * REST_SECONDS + block
    assert max(most) <= max_size + RATE * REST_SECONDS + block
    if max_size <= 10 * MIB:
        assert max(most[1:]) <= max_size + max(max(max_size, MIB) / 4, RATE * SHORTEST_REST) + block
    assert max(older) <= 2 * (max_size * 5 / 4 + block)
    assert len(most) < 2 * WRITTEN / RATE / SHORTEST_REST, "so many looks at most"


def test_a_real_writer_is_kept_within_bounds(folder: Path, kept: Rotation) -> None:
    """A megabyte at a time, from standing still. The bound leaves room for a machine on which others run too."""
    kept.keep(folder, 10 * MIB, 3)
    code = (
        f"import sys, time\nfor _ in range({WRITTEN // MIB}): sys.stdout.buffer.write(bytes({MIB})); time.sleep(0.005)"
    )
    most = 0
    with (folder / CURRENT_LOG).open("ab") as out:
        writer = subprocess.Popen([sys.executable, "-c", code], stdout=out)
        while writer.poll() is None:
            most = max(most, allocated(folder / CURRENT_LOG))
    until(lambda: allocated(folder / CURRENT_LOG) <= 10 * MIB, "it is cut at the end")
    assert writer.returncode == 0 and 0 < most < WRITTEN / 2
    assert allocated(folder / "1.log") <= 10 * MIB * 5 / 4 + 8192


def test_the_time_to_the_next_look_follows_the_growth() -> None:
    assert rest(1, 1.0, 10 * MIB) == REST_SECONDS
    assert rest(10 * MIB, 0.1, 10 * MIB) == 0.025
    assert rest(10**12, 1.0, 10 * MIB) == SHORTEST_REST
    assert rest(MIB // 4, 0.02, 1) == 0.02, "a small limit makes nobody look all the time"


def test_of_a_log_that_fills_up_again_within_a_second_its_last_words_are_kept(folder: Path) -> None:
    log = Log(folder, 8, 3, 0.0)
    for number, now in enumerate((1.0, 1.1, 1.2, 1.1 + KEEP_SECONDS)):
        (folder / CURRENT_LOG).write_text(f"{number}" * 9)
        log.look(now)
        assert logs.size_of(folder) == 0
    assert [(folder / f"{n}.log").read_text() for n in (1, 2)] == ["3" * 9, "2" * 9]


def test_a_log_that_nobody_writes_to_is_left_alone_until_somebody_does(
    folder: Path, kept: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    real = Log.look

    def look(self: Log, now: float) -> float | None:
        nonlocal looks
        looks += 1
        return real(self, now)

    monkeypatch.setattr(Log, "look", look)
    kept.keep(folder, 10, 2)
    until(lambda: bool(kept._asleep), "it is watched")
    seen = looks
    for number in range(1, 4):
        with (folder / CURRENT_LOG).open("a") as out:
            out.write(f"{number}" * 20)
        until(lambda: logs.size_of(folder) == 0, "it is cut")
        until(lambda: bool(kept._asleep), "it is watched again")
    assert 3 <= looks - seen <= 12, "no more than a few for each time"


@pytest.mark.parametrize("lack", ["watches", "instances"])
def test_where_the_kernel_has_no_watch_left_it_is_looked_at_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch, lack: str
) -> None:
    monkeypatch.setattr(rotation, "_UNWATCHED_REST", 0.01)
    made = Rotation()
    try:
        if lack == "instances":
            monkeypatch.setattr(made._inotify, "_descriptor", -1)
        else:
            monkeypatch.setattr(made._inotify, "ask", no_watch)
        made.keep(folder, 10, 2)
        for _ in range(2):
            (folder / CURRENT_LOG).write_text("x" * 20)
            until(lambda: logs.size_of(folder) == 0, "it is cut")
    finally:
        made.close()


def no_watch(_directory: Path) -> int:
    raise OSError(28, "no space left on device")


def test_a_log_that_can_not_be_rotated_holds_up_no_other(
    tmp_path: Path, folder: Path, kept: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad").mkdir()
    real = logs.rotate

    def rotate(place: Path, *limits: int, keep: bool) -> bool:
        if place.name == "bad":
            raise PermissionError(1, "not permitted")
        return real(place, *limits, keep=keep)

    monkeypatch.setattr(logs, "rotate", rotate)
    for place in (tmp_path / "bad", folder):
        (place / CURRENT_LOG).write_text("x" * 20)
        kept.keep(place, 10, 2)
    until(lambda: logs.size_of(folder) == 0, "the other one is cut")


def test_a_log_is_forgotten_with_its_folder(folder: Path, kept: Rotation) -> None:
    (folder / CURRENT_LOG).write_text("x")
    kept.keep(folder, 10, 2)
    until(lambda: bool(kept._asleep), "it is watched")
    (folder / CURRENT_LOG).unlink()
    folder.rmdir()
    until(lambda: not kept._logs and not kept._asleep, "it is forgotten")


def test_a_large_log_is_copied_aside(folder: Path, kept: Rotation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "_ASIDE", 10)
    (folder / CURRENT_LOG).write_text("x" * 20)
    kept.keep(folder, 10, 2)
    until(lambda: (folder / "1.log").exists() and logs.size_of(folder) == 0 and not kept._busy, "it is rotated")
