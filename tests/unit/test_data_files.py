"""Files that ship as YAML, and the copies that are kept of them."""

import sys
from pathlib import Path

import pytest

from starlink import manifest
from starlink.data_files import KEPT, load


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "kinds.yaml"
    path.write_text("part: &part {a: [1, 2.5, yes, null]}\nwhole: {<<: *part, b: on time}\n")
    return path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are read as YAML."""
    paths: list[Path] = []
    of = manifest.load

    def counted(path: Path) -> object:
        paths.append(path)
        return of(path)

    monkeypatch.setattr(manifest, "load", counted)
    return paths


def copies(file: Path) -> list[Path]:
    return sorted((file.parent / KEPT).glob("*"))


def test_a_file_is_read_once_and_says_the_same(file: Path, read: list[Path]) -> None:
    first = load(file)
    assert (
        load(file)
        == first
        == {"part": {"a": [1, 2.5, True, None]}, "whole": {"a": [1, 2.5, True, None], "b": "on time"}}
    )
    assert read == [file] and len(copies(file)) == 1


def test_a_file_that_has_changed_is_read_anew_and_its_copy_goes(file: Path, read: list[Path]) -> None:
    load(file)
    before = copies(file)
    file.write_text("other: 1\n")
    assert load(file) == load(file) == {"other": 1}
    assert read == [file, file] and len(copies(file)) == 1 and copies(file) != before


@pytest.mark.parametrize("damage", [b"", b'{"part"', b"\0\0\0", b"null", b"{}", b"x\n{}", b"[" * 100_000])
def test_a_damaged_copy_is_made_anew(file: Path, read: list[Path], damage: bytes) -> None:
    whole = load(file)
    (copy,) = copies(file)
    copy.write_bytes(damage)
    assert load(file) == whole == load(file)
    assert read == [file, file]


def test_nothing_is_kept_where_nothing_is_to_be_or_can_be_written(
    file: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert load(file) == load(file) and copies(file) == []
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (file.parent / KEPT).touch()
    assert load(file) == load(file)
    assert read == [file] * 4
