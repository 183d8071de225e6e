"""Logs are rotated within their bounds, whatever the disk and the task do."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from starlink_nodeagent.layout import CURRENT_LOG
from starlink_nodeagent.logs import files as logs


def test_logs_rotate_and_lose_nothing(tmp_path: Path) -> None:
    current = tmp_path / CURRENT_LOG
    for number in range(4):
        current.write_text(f"{number}" * 10)
        assert logs.rotate(tmp_path, 5, 3) is True
        assert current.read_text() == ""
    assert [(tmp_path / f"{n}.log").read_text()[0] for n in (1, 2)] == ["3", "2"]
    assert not (tmp_path / "3.log").exists()
    assert logs.rotate(tmp_path, 5, 3) is False


def test_an_older_file_holds_the_end_of_what_had_grown(tmp_path: Path) -> None:
    (tmp_path / CURRENT_LOG).write_text("a" * 1000 + "the end")
    assert logs.rotate(tmp_path, 7, 2)
    assert (tmp_path / "1.log").read_text() == "the end"


def test_where_nothing_can_be_copied_the_file_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / CURRENT_LOG).write_text("x" * 1000)
    (tmp_path / "1.log").write_text("older")
    real = os.pread

    def full(descriptor: int, count: int, offset: int) -> bytes:
        if offset > 500:
            raise OSError(errno.ENOSPC, "full")
        return real(descriptor, min(count, 400), offset)

    monkeypatch.setattr(os, "pread", full)
    assert logs.rotate(tmp_path, 900, 3)
    assert (tmp_path / CURRENT_LOG).stat().st_size == 0
    assert (tmp_path / "2.log").read_text() == "older"
    assert (tmp_path / "1.log").read_text() == "x" * 400, "its last words"


@pytest.mark.parametrize(
    "put", [os.mkfifo, lambda path: os.symlink("/etc/passwd", path), os.mkdir, lambda path: os.symlink(path, path)]
)
def test_what_is_no_file_is_not_touched_and_makes_way(tmp_path: Path, put: Callable[[Path], None]) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    put(folder / CURRENT_LOG)
    assert logs.rotate(folder, 0, 3) is False
    logs.clear_way(folder)
    assert [*folder.iterdir()] == []
    assert Path("/etc/passwd").stat().st_size > 0
