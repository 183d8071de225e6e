"""A log that others append to stays within bounds while they hold it open."""

import os
from pathlib import Path

import pytest

from starlink.files import rolling


def test_what_is_short_stays(tmp_path: Path) -> None:
    log = tmp_path / "operator.log"
    assert not rolling.cut(log, 10)
    log.write_text("0123456789")
    assert not rolling.cut(log, 10) and os.listdir(tmp_path) == ["operator.log"]


def test_what_has_grown_is_cut_and_its_end_kept_while_it_is_written_to(tmp_path: Path) -> None:
    log = tmp_path / "operator.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"a" * 50 + b"b" * 10)
        assert rolling.cut(log, 10)
        writer.write(b"c")
        assert (log.read_bytes(), rolling.older(log).read_bytes()) == (b"c", b"b" * 10)
        writer.write(b"d" * 30)
        assert rolling.cut(log, 10) and rolling.older(log).read_bytes() == b"d" * 10
    assert sorted(os.listdir(tmp_path)) == ["operator.log", "operator.log.1"]
    assert rolling.older(log).stat().st_mode & 0o777 == 0o600


def test_where_the_older_part_has_no_room_the_log_is_cut_all_the_same(tmp_path: Path) -> None:
    log = tmp_path / "operator.log"
    log.write_bytes(b"x" * 20)
    rolling.older(log).write_bytes(b"old")
    (tmp_path / ".operator.log.1").mkdir()  # nothing can be written there
    assert rolling.cut(log, 10) and log.read_bytes() == b"" and not rolling.older(log).exists()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"x" * 20)
    (tmp_path / "operator.log").symlink_to(tmp_path / "other")
    with pytest.raises(OSError):
        rolling.cut(tmp_path / "operator.log", 10)
    assert (tmp_path / "other").stat().st_size == 20
