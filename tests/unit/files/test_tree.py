"""Trees are removed and given away whole, however deep, and nothing beside them is touched."""

import os
import stat
from pathlib import Path

import pytest

from starlink.files import tree

DEPTH = 3_000
ROOT = os.geteuid() == 0


def deep(top: Path, depth: int) -> None:
    """Makes a chain of directories that no path reaches the end of."""
    top.mkdir()
    here = os.open(top, os.O_DIRECTORY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def test_a_tree_deeper_than_any_path_is_removed(tmp_path: Path) -> None:
    deep(tmp_path / "deep", DEPTH)
    descriptors = len(os.listdir("/proc/self/fd"))
    tree.remove(tmp_path / "deep")
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_tree_with_more_directories_than_are_noted_at_once_is_removed(tmp_path: Path) -> None:
    for number in range(700):
        (tmp_path / f"wide/{number}/below").mkdir(parents=True)
        (tmp_path / f"wide/{number}/file").touch()
    tree.remove(tmp_path / "wide")
    assert list(tmp_path.iterdir()) == []


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("kept")
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone/link").symlink_to(tmp_path / "kept")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    os.mkfifo(tmp_path / "gone/fifo")
    tree.remove(tmp_path / "gone")
    tree.remove(tmp_path / "link")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]
    assert (tmp_path / "kept/file").read_text() == "kept"


def test_a_file_is_removed_and_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "absent", "absent/below"):
        tree.remove(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_directories_that_nobody_may_enter_are_removed(tmp_path: Path) -> None:
    for path, mode in (("top/shut/below", 0o700), ("top/shut", 0o000), ("top", 0o500)):
        (tmp_path / path).mkdir(parents=True, exist_ok=True)
        (tmp_path / path).chmod(mode)
    tree.remove(tmp_path / "top")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_moved_away_ends_the_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "top/a/b/c").mkdir(parents=True)
    (tmp_path / "top/a/b/c/file").touch()
    (tmp_path / "outside/b").mkdir(parents=True)
    (tmp_path / "outside/file").write_text("kept")
    removed = os.unlink

    def unlink(name: str, *, dir_fd: int) -> None:
        removed(name, dir_fd=dir_fd)
        if name == "file":
            (tmp_path / "top/a/b/c").rename(tmp_path / "outside/c")

    monkeypatch.setattr(os, "unlink", unlink)
    with pytest.raises(tree.Moved):
        tree.remove(tmp_path / "top")
    assert (tmp_path / "outside/file").read_text() == "kept"
    assert (tmp_path / "outside/b").is_dir()


@pytest.mark.skipif(not ROOT, reason="only root can give files away")
def test_a_tree_is_given_whole_and_links_are_given_themselves(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.touch()
    deep(tmp_path / "given", 1_500)
    (tmp_path / "given/link").symlink_to(kept)
    (tmp_path / "given/file").touch()
    tree.give(tmp_path / "given", 70_001, 70_002)
    assert (kept.stat().st_uid, kept.stat().st_gid) == (0, 0)
    about = (tmp_path / "given").stat()
    assert (about.st_uid, about.st_gid, stat.S_IMODE(about.st_mode)) == (70_001, 70_002, 0o700)
    found = 0
    here = os.open(tmp_path / "given", os.O_DIRECTORY)
    while True:
        entries = list(os.scandir(here))
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            assert (status.st_uid, status.st_gid) == (70_001, 70_002)
            found += 1
        if "d" not in {entry.name for entry in entries}:
            break
        below = os.open("d", os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert found == 1_502
    tree.remove(tmp_path / "given")  # pytest can't


@pytest.mark.skipif(not ROOT, reason="only root can give files away")
def test_the_root_is_given_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "given/below").mkdir(parents=True)
    seen = []
    chown = os.chown

    def noting(name: str, uid: int, gid: int, **how: int) -> None:
        about = (tmp_path / "given").stat()
        seen.append((about.st_uid, stat.S_IMODE(about.st_mode)))
        chown(name, uid, gid, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "chown", noting)
    tree.give(tmp_path / "given", 70_001, 70_001)
    assert seen == [(0, 0o700)]
    assert (tmp_path / "given").stat().st_uid == 70_001
