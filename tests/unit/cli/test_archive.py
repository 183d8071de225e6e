"""The backup's file: what is read is what was written, whole, or it is refused."""

import contextlib
import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.profiles import examples

from starlink.cli import archive as archives
from starlink.cli.archive import Archive, BadArchive, read, write
from starlink.store.backup import StoreCopy
from starlink.store.base import Key, Record

TASK, SECRET = Key("starlink.dev/tasks", "ns", "a"), Key("/secrets", "ns", "a")
RECORDS = (Record(SECRET, 3, b"\x00SL\x01\xff sealed"), Record(TASK, 7, '{"kind":"Täsk"}'.encode()))
FILES = {"pki/ca.crt": b"certificate", "pki/a server's (old).key": b"k" * 1000, "encryption.key": b"key\n"}
WHOLE = Archive(StoreCopy(RECORDS, 9), FILES, "2026-07-27T10:11:12Z", "0.1.0")


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]


def pack(path: Path, contents: dict[str, bytes], **changed: Any) -> Path:
    """A file of these members; fields of the members' headers can be `changed`."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for field, value in changed.items() if name != "manifest.json" else ():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(content))
    return path


def with_manifest(path: Path, contents: dict[str, bytes], **fields: Any) -> Path:
    """A file whose manifest vouches for the contents; its fields can be set."""
    parts = {name: content for name, content in contents.items() if name != "manifest.json"}
    listed = [{"name": n, "size": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c in parts.items()]
    manifest = json.loads(contents["manifest.json"]) | {"members": listed} | fields
    return pack(path, {"manifest.json": json.dumps(manifest).encode(), **parts})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write(tmp_path / "b.tar.gz", WHOLE)
    return tmp_path / "b.tar.gz"


def test_what_is_read_is_what_was_written(file: Path) -> None:
    assert read(file) == Archive(StoreCopy(list(RECORDS), 9), FILES, WHOLE.created, WHOLE.version)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]
    assert list(members(file)) == ["manifest.json", "objects.jsonl", *FILES]


def test_the_same_makes_the_same_bytes(file: Path, tmp_path: Path) -> None:
    write(tmp_path / "again.tar.gz", WHOLE)
    assert (tmp_path / "again.tar.gz").read_bytes() == file.read_bytes()


def test_what_can_not_be_written_leaves_what_was_there(file: Path) -> None:
    before = file.read_bytes()
    twice = Archive(StoreCopy((RECORDS[0], RECORDS[0]), 9), FILES, WHOLE.created, WHOLE.version)
    with pytest.raises(BadArchive, match="different ones"):
        write(file, twice)
    assert file.read_bytes() == before and list(file.parent.iterdir()) == [file]


@given(st.data())
@examples(150)
def test_no_cut_passes_and_no_byte_changes_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("archive")
    write(folder / "b", WHOLE)
    content = (folder / "b").read_bytes()
    (folder / "b").write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(BadArchive, match=f"{folder}/b"):
        read(folder / "b")
    at = data.draw(st.integers(0, len(content) - 1))
    changed = bytes([content[at] ^ data.draw(st.integers(1, 255))])
    (folder / "b").write_bytes(content[:at] + changed + content[at + 1 :])
    with contextlib.suppress(BadArchive):  # gzip has bits that say nothing of the contents
        assert read(folder / "b") == Archive(StoreCopy(list(RECORDS), 9), FILES, WHOLE.created, WHOLE.version)


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/passwd", "pki/../../outside", "pki/a/b", "pki/.hidden", "pki/..", "pki/", "store/x"]
)
def test_no_path_leads_anywhere_else(file: Path, tmp_path: Path, name: str) -> None:
    other = with_manifest(tmp_path / "other", members(file) | {name: b"x"})
    with pytest.raises(BadArchive, match="does not belong into a backup"):
        read(other)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_only_regular_files_are_members(file: Path, tmp_path: Path, kind: bytes) -> None:
    other = pack(tmp_path / "other", members(file), type=kind, linkname="/etc/passwd", size=0)
    with pytest.raises(BadArchive, match="is no regular file"):
        read(other)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"format": 2, "starlink": "9.9"}, r"of format 2 and this StarLink reads format 1; .* \(9\.9\)"),
        ({"objects": 3}, "holds 2 objects, the manifest says 3"),
        ({"revision": 6}, "tasks.starlink.dev ns/a is at revision 7, the backup is of revision 6"),
        ({"revision": 2**63}, "no whole backup|no store reaches"),
        ({"revision": 2**62 + 1}, "no store reaches"),
        ({"created": "yesterday"}, "'yesterday' is not a time"),
        ({"surprise": 1}, "surprise"),
        ({"members": []}, "does not belong into a backup"),
    ],
)
def test_a_manifest_that_is_not_so_is_refused(file: Path, tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(BadArchive, match=said):
        read(with_manifest(tmp_path / "other", members(file), **fields))


@pytest.mark.parametrize("line", [b"{}", b"[" * 100_000, b'{"resource":"r","namespace":"","name":"n","revision":1}'])
def test_a_line_that_is_no_object_is_refused(file: Path, tmp_path: Path, line: bytes) -> None:
    contents = members(file) | {"objects.jsonl": line + b"\n"}
    with pytest.raises(BadArchive):
        read(with_manifest(tmp_path / "other", contents, objects=1))


def test_what_is_missing_or_other_than_vouched_for_is_refused(file: Path, tmp_path: Path) -> None:
    contents = members(file)
    for name in FILES:
        with pytest.raises(BadArchive, match="missing"):
            read(pack(tmp_path / "other", {n: c for n, c in contents.items() if n != name}))
        with pytest.raises(BadArchive, match="sha256"):
            read(pack(tmp_path / "other", contents | {name: contents[name][:-1] + b"?"}))
        with pytest.raises(BadArchive, match="the manifest says"):
            read(pack(tmp_path / "other", contents | {name: contents[name] + b"?"}))
    without = {name: content for name, content in contents.items() if name != "objects.jsonl"}
    with pytest.raises(BadArchive, match=r"objects\.jsonl is missing"):
        read(with_manifest(tmp_path / "other", without))


def test_sizes_are_bounded(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadArchive, match="and may have 1048576"):
        read(with_manifest(tmp_path / "other", members(file) | {"pki/ca.crt": b"x" * 1048577}))
    monkeypatch.setattr(archives, "_MAX_OBJECTS", 10)
    with pytest.raises(BadArchive, match=r"objects\.jsonl has .* and may have 10"):
        read(file)
    monkeypatch.undo()
    monkeypatch.setattr(archives, "_MAX_WHOLE", 20_000)
    (tmp_path / "bomb").write_bytes(gzip.compress(gzip.decompress(file.read_bytes()) + bytes(10_000_000)))
    with pytest.raises(BadArchive, match="unpacks to more than 20000 bytes"):
        read(tmp_path / "bomb")


@pytest.mark.parametrize(
    "content", [b"", b"no archive at all", gzip.compress(b"", mtime=0), gzip.compress(b"text" * 1000, mtime=0)]
)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "b").write_bytes(content)
    with pytest.raises(BadArchive, match="backup of StarLink"):
        read(tmp_path / "b")
