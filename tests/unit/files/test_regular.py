"""Only the head of a regular file is read, whatever lies there."""

import os
from pathlib import Path

from starlink.files.regular import read_head


def test_the_head_of_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    assert read_head(tmp_path / "file", 4) == b"0123"
    assert read_head(tmp_path / "file", 40) == b"0123456789"


def test_what_is_no_regular_file_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    for name in ("fifo", "link", "folder", "absent"):
        assert read_head(tmp_path / name, 32) is None
    assert read_head(Path("/dev/zero"), 32) is None
