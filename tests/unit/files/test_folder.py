"""A directory that is a program's own."""

import os
from pathlib import Path

import pytest

from starlink.files import folder

MARKERS = ("mine.lock", "sub/key")


def test_a_new_one_is_made_passable(tmp_path: Path) -> None:
    folder.claim(tmp_path / "a" / "b", MARKERS)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o711


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o1777])
@pytest.mark.parametrize("within", [(), ("lost+found",), ("mine.lock", "else"), ("sub/key", "else")])
def test_the_mode_of_one_that_is_there_stays(tmp_path: Path, mode: int, within: tuple[str, ...]) -> None:
    there = tmp_path / "there"
    for name in within:
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).mkdir() if name == "lost+found" else (there / name).touch()
    there.mkdir(exist_ok=True)
    there.chmod(mode)
    folder.claim(there, MARKERS)
    assert there.stat().st_mode & 0o7777 == mode


def test_disks_may_be_mounted_within_before(tmp_path: Path) -> None:
    (tmp_path / "agent/lost+found").mkdir(parents=True)
    folder.claim(tmp_path, MARKERS)
    (tmp_path / "agent/letter").write_text("dear")
    with pytest.raises(folder.NotUsable, match="it is not empty"):
        folder.claim(tmp_path, MARKERS)


def test_another_ones_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    before = tmp_path.stat().st_mode
    with pytest.raises(folder.NotUsable, match="it is not empty, and not StarLink's"):
        folder.claim(tmp_path, MARKERS)
    assert os.listdir(tmp_path) == ["letter"] and tmp_path.stat().st_mode == before


@pytest.mark.parametrize("path", ["/proc", "/proc/new"])
def test_what_cannot_be_made_is_said(path: str) -> None:
    with pytest.raises(folder.NotUsable):
        folder.claim(Path(path), MARKERS)
