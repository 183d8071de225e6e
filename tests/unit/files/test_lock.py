"""A file is held by one process at a time, and by nobody once its descriptor is closed."""

import os
import threading
from pathlib import Path

import pytest

from starlink.files import lock


def test_a_lock_that_is_held_is_refused_until_it_is_let_go(tmp_path: Path) -> None:
    taken = lock.take(tmp_path / "a.lock")
    with pytest.raises(BlockingIOError):
        lock.take(tmp_path / "a.lock")
    os.close(taken)
    os.close(lock.take(tmp_path / "a.lock"))


def test_who_waits_comes_after_who_holds_it(tmp_path: Path) -> None:
    order, asks = list[str](), threading.Event()

    def second() -> None:
        asks.set()
        with lock.held(tmp_path / "a.lock"):
            order.append("second")

    with lock.held(tmp_path / "a.lock"):
        waiting = threading.Thread(target=second)
        waiting.start()
        asks.wait(10)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        lock.take(tmp_path / "a.lock")
    assert not (tmp_path / "elsewhere").exists()


def test_a_refused_lock_leaves_no_descriptor_open(tmp_path: Path) -> None:
    taken = lock.take(tmp_path / "a.lock")
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(BlockingIOError):
        lock.take(tmp_path / "a.lock")
    assert len(os.listdir("/proc/self/fd")) == len(before)
    os.close(taken)
