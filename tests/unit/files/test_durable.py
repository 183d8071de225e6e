"""A file is there whole or not at all, and nothing half done stays beside it."""

import stat
from pathlib import Path

import pytest

from starlink.files import durable


def test_a_file_is_replaced_when_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "note"
    durable.replace(path, b"one")
    with durable.replacing(path) as file:
        file.write(b"two")
        file.flush()
        assert (path.read_bytes(), Path(file.name).read_bytes()) == (b"one", b"two")
    assert path.read_bytes() == b"two" and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [*tmp_path.iterdir()] == [path]


def test_what_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "note"
    durable.replace(path, b"one")
    with pytest.raises(ValueError, match="it is bad"), durable.replacing(path) as file:
        file.write(b"two")
        raise ValueError("it is bad")
    assert path.read_bytes() == b"one" and [*tmp_path.iterdir()] == [path]


def test_what_a_killed_process_left_is_not_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "note"
    with durable.replacing(path) as file:
        left = Path(file.name)
    left.symlink_to(tmp_path / "elsewhere")
    durable.replace(path, b"one")
    assert path.read_bytes() == b"one" and not (tmp_path / "elsewhere").exists()


def test_one_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "note"
    durable.create(path, b"one")
    with pytest.raises(FileExistsError):
        durable.create(path, b"two")
    assert path.read_bytes() == b"one" and [*tmp_path.iterdir()] == [path]


def test_a_moved_folder_takes_the_name_of_an_empty_one(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    (tmp_path / "new" / "file").touch()
    durable.move(tmp_path / "new", tmp_path / "old")
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["file"] and not (tmp_path / "new").exists()
