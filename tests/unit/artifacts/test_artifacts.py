"""Artifacts: what is fetched and unpacked, and what is refused."""

import hashlib
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.profiles import examples

from starlink.artifacts.errors import ArtifactError
from starlink.artifacts.fetch import Places, fetch
from starlink.artifacts.guard import Guard
from starlink.artifacts.limits import DEFAULT_LIMITS, Limits
from starlink.artifacts.names import parts_of
from starlink.artifacts.pack import main, pack
from starlink.artifacts.unpack import unpack


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def reason(path: Path, target: Path, limits: Limits = DEFAULT_LIMITS) -> str:
    with pytest.raises(ArtifactError) as caught, path.open("rb") as file:
        unpack(file, target, "the archive", limits)
    assert not target.exists() and "the archive" in str(caught.value)
    return caught.value.reason


def tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def info(name: str, **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def test_a_packed_folder_comes_back(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "start.sh").write_text("#!/bin/sh\n")
    (source / "start.sh").chmod(0o755)
    (source / "sub" / "data").write_text("x")
    first = pack(source, tmp_path / "a.zip")
    os.utime(source / "start.sh", (0, 0))
    assert pack(source, tmp_path / "b.zip") == first
    with (tmp_path / "a.zip").open("rb") as file:
        unpack(file, tmp_path / "out", "a.zip")
    assert (tmp_path / "out" / "sub" / "data").read_text() == "x"
    assert os.access(tmp_path / "out" / "start.sh", os.X_OK)


def test_tars_with_links_inside_come_back(tmp_path: Path) -> None:
    archive = tar(
        tmp_path / "a.tgz",
        (info("bin/run", mode=0o755), b"x"),
        (info("link", type=tarfile.SYMTYPE, linkname="bin/run"), b""),
    )
    with archive.open("rb") as file:
        unpack(file, tmp_path / "out", "a.tgz")
    assert (tmp_path / "out" / "link").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a\\..\\x"])
def test_paths_that_escape_are_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, "x")
    assert reason(tmp_path / "a.zip", tmp_path / "out") == "ArtifactUnsafePath"
    assert reason(tar(tmp_path / "a.tgz", (info(name), b"x")), tmp_path / "out") == "ArtifactUnsafePath"


@pytest.mark.parametrize("member", [
    info("l", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    info("l", type=tarfile.SYMTYPE, linkname="../../x"),
    info("l", type=tarfile.LNKTYPE, linkname="x"),
    info("d", type=tarfile.CHRTYPE),
    info("f", type=tarfile.FIFOTYPE),
])  # fmt: skip
def test_links_out_and_devices_are_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    assert reason(tar(tmp_path / "a.tgz", (member, b"")), tmp_path / "out") == "ArtifactUnsafePath"


def test_bombs_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", b"\0" * 100_000)
    assert reason(tmp_path / "a.zip", tmp_path / "out", Limits(total_bytes=50_000)) == "ArtifactTooLarge"
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for number in range(20):
            archive.writestr(str(number), "")
    assert reason(tmp_path / "b.zip", tmp_path / "out", Limits(files=10)) == "ArtifactTooLarge"


def test_a_zip_member_without_a_name_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", b"x")
    (tmp_path / "a.zip").write_bytes((tmp_path / "a.zip").read_bytes().replace(b"a", b"\0"))
    assert reason(tmp_path / "a.zip", tmp_path / "out") == "ArtifactUnsafePath"


@examples(60)
@given(st.binary(max_size=400))
def test_garbage_is_corrupt_and_never_worse(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a")
        path.write_bytes(content)
        with pytest.raises(ArtifactError) as caught, path.open("rb") as file:
            unpack(file, Path(folder, "out"), "a")
        assert caught.value.reason == "ArtifactCorrupt"


@given(st.text(max_size=60))
def test_a_safe_path_stays_below(name: str) -> None:
    try:
        parts = parts_of(name, "a")
    except ArtifactError:
        return
    assert Path(os.path.normpath(Path("/root", *parts))).is_relative_to("/root")


def test_files_come_only_from_below_the_artifact_directory(tmp_path: Path) -> None:
    below = tmp_path / "artifacts"
    below.mkdir()
    (below / "a").write_bytes(b"x")
    (tmp_path / "secret").write_bytes(b"s")
    (below / "link").symlink_to(tmp_path / "secret")
    cache = tmp_path / "cache"
    places = Places(cache, below)
    with fetch("file:a", digest(below / "a"), places) as file:
        assert file.read() == b"x"
    for url in ("file:../secret", "file:link", "file:/../secret", f"file:{tmp_path}/secret"):
        with pytest.raises(ArtifactError) as caught:
            fetch(url, "0" * 64, places)
        assert caught.value.reason in ("ArtifactUnsafePath", "ArtifactNotFound")
    assert sorted(p.name for p in cache.iterdir()) == [digest(below / "a")]


def test_an_unreachable_server_is_tried_again(tmp_path: Path) -> None:
    pauses: list[float] = []
    with pytest.raises(ArtifactError) as caught:
        fetch("http://127.0.0.1:9/x", "0" * 64, Places(tmp_path, guard=Guard(allow_local=True)), pause=pauses.append)
    assert (caught.value.reason, pauses) == ("ArtifactUnreachable", [1.0, 2.0, 4.0])


def test_the_command_that_packs_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "app"
    for words, code, told in (
        ([], 2, "usage: python -m starlink.artifacts.pack FOLDER ARCHIVE.zip"),
        ([str(folder), str(tmp_path / "a.zip")], 1, f"{folder} is no folder"),
        (
            [str(tmp_path), str(tmp_path / "none" / "a.zip")],
            1,
            f"{tmp_path / 'none' / 'a.zip'}: No such file or directory",
        ),
    ):
        assert main(words) == code
        assert capsys.readouterr().err.startswith(told)
    folder.mkdir()
    (folder / "start.sh").write_text("#!/bin/sh\n")
    assert main([str(folder), str(tmp_path / "a.zip")]) == 0
    assert capsys.readouterr().out == f"{hashlib.sha256((tmp_path / 'a.zip').read_bytes()).hexdigest()}\n"
