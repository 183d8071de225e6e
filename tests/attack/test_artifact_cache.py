"""The artifact cache when somebody, a power cut or a disk changed what lies there."""

import errno
import fcntl
import hashlib
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
from tests.attack.archives import Item, tar

from starlink.artifacts import cache, fetch
from starlink.artifacts.errors import ArtifactError
from starlink.artifacts.fetch import Places
from starlink.artifacts.unpack import unpack
from starlink.files import durable

CONTENT = tar(Item("start.sh", b"#!/bin/sh\n", mode=0o755))
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "a.tar").write_bytes(CONTENT)
    return Places(tmp_path / "cache", tmp_path / "shelf")


def fetched(places: Places) -> bytes:
    with fetch.fetch("file:a.tar", SHA256, places) as file:
        return file.read()


def damaged_by(kind: str, path: Path) -> None:
    match kind:
        case "cut":
            path.write_bytes(CONTENT[:600])
        case "empty":
            path.write_bytes(b"")
        case "exchanged":
            path.write_bytes(tar(Item("start.sh", b"#!/bin/sh\nevil", mode=0o755)))
        case "one bit":
            path.write_bytes(CONTENT[:700] + bytes([CONTENT[700] ^ 1]) + CONTENT[701:])
        case "a link":
            path.with_name("elsewhere").write_bytes(CONTENT)
            path.unlink()
            path.symlink_to("elsewhere")
        case "a pipe":
            path.unlink()
            os.mkfifo(path)
        case "a directory":
            path.unlink()
            (path / "deep" / "er").mkdir(parents=True)
        case "somebody else's":
            os.chown(path, 65534, 65534)


@pytest.mark.parametrize("kind", [
    "cut", "empty", "exchanged", "one bit", "a link", "a pipe", "a directory", "somebody else's",
])  # fmt: skip
def test_what_is_not_the_archive_is_fetched_anew(places: Places, kind: str) -> None:
    if kind == "somebody else's" and os.geteuid() != 0:
        pytest.skip("only root can give files away")
    assert fetched(places) == CONTENT
    damaged_by(kind, places.cache / SHA256)
    assert fetched(places) == CONTENT
    about = (places.cache / SHA256).lstat()
    assert (places.cache / SHA256).read_bytes() == CONTENT and about.st_uid == os.geteuid()
    assert about.st_mode == 0o100600


def test_what_cannot_be_read_is_fetched_anew(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fetched(places) == CONTENT
    first = (places.cache / SHA256).stat().st_ino

    def broken(file: IO[bytes], _: str) -> Any:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    keep = os.open(places.cache / SHA256, os.O_RDONLY)  # so that its inode is not given again
    monkeypatch.setattr(hashlib, "file_digest", broken)
    assert fetched(places) == CONTENT
    assert (places.cache / SHA256).stat().st_ino != first
    os.close(keep)


def test_what_is_sound_is_not_fetched_again(places: Places) -> None:
    assert fetched(places) == CONTENT
    assert places.artifact_dir is not None
    (places.artifact_dir / "a.tar").unlink()
    assert fetched(places) == CONTENT


def test_what_was_checked_is_what_is_unpacked(places: Places, tmp_path: Path) -> None:
    """Between the check and the use the name may come to mean something else."""
    with fetch.fetch("file:a.tar", SHA256, places) as file:
        (places.cache / SHA256).unlink()
        (places.cache / SHA256).write_bytes(tar(Item("start.sh", b"evil")))
        unpack(file, tmp_path / "out", "a.tar")
    assert (tmp_path / "out" / "start.sh").read_bytes() == b"#!/bin/sh\n"


def test_a_digest_is_no_path(places: Places) -> None:
    for sha256 in ("../../x", "a" * 63, "A" * 64, "a" * 64 + "\n", ""):
        with pytest.raises(ArtifactError) as caught:
            fetch.fetch("file:a.tar", sha256, places)
        assert caught.value.reason == "ArtifactChecksumMismatch"
    assert not places.cache.exists()


def test_what_a_crash_left_behind_is_swept_and_what_is_being_fetched_is_not(places: Places) -> None:
    places.cache.mkdir(mode=0o700)
    for number in range(3):
        (places.cache / f".fetch-{number}").write_bytes(b"left behind")
    others: IO[bytes]
    with cache.adding(places.cache, "b" * 64) as others:
        assert fetched(places) == CONTENT
        others.write(b"another one")
    assert sorted(path.name for path in places.cache.iterdir()) == sorted((SHA256, "b" * 64))
    others.close()


def test_many_at_once_lose_nothing(places: Places) -> None:
    assert places.artifact_dir is not None
    contents = [os.urandom(100) for _ in range(16)]
    for number, content in enumerate(contents):
        (places.artifact_dir / str(number)).write_bytes(content)
    got: dict[int, bytes] = {}

    def get(number: int) -> None:
        with fetch.fetch(f"file:{number}", hashlib.sha256(contents[number]).hexdigest(), places) as file:
            got[number] = file.read()

    threads = [threading.Thread(target=get, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [got[number] for number in range(16)] == contents
    assert len(list(places.cache.iterdir())) == 16


def test_it_is_on_the_disk_before_it_is_used(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def noting(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            done.append(name)
            return real(*arguments)

        return call

    monkeypatch.setattr(os, "fsync", noting("file", os.fsync))
    for name in ("rename", "replace"):
        monkeypatch.setattr(Path, name, noting("rename", getattr(Path, name)))
    monkeypatch.setattr(durable, "sync_folder", noting("folder", lambda _: None))
    assert fetched(places) == CONTENT
    assert done == ["file", "rename", "folder"]


class Full(io.BytesIO):
    def write(self, _: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_a_full_disk_is_no_fault_of_the_artifact(places: Places, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    pauses: list[float] = []

    def failing(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        fetch.fetch("file:a.tar", SHA256, places, pause=pauses.append)
    assert caught.value.errno == number and pauses == []
    assert list(places.cache.iterdir()) == []


def test_a_disk_that_fills_while_it_is_written_to(places: Places) -> None:
    with pytest.raises(OSError, match="No space left"):
        fetch._copy("file:a.tar", io.BytesIO(CONTENT), Full(), 10_000)


def test_locks_of_partial_files_are_real(places: Places) -> None:
    with cache.adding(places.cache, SHA256) as file:
        (partial,) = places.cache.glob(".fetch-*")
        with partial.open("rb") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.write(CONTENT)
    file.close()
