"""The file of `starlink backup`: a tar.gz of a manifest and the members that it vouches for.

`manifest.json` comes first; `objects.jsonl` holds an object a line, whichever store they come from; `pki/` and
`encryption.key` are the files of those names. The same contents make the same bytes. What is read is never unpacked
onto the disk.
"""

import gzip
import hashlib
import io
import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import msgspec

from starlink.api.timestamp import parse_time
from starlink.files import durable
from starlink.store.backup import StoreCopy
from starlink.store.base import Key, Record
from starlink.store.seal import told

FORMAT = 1
ENCRYPTION_KEY = "encryption.key"
PKI = "pki/"

_MANIFEST, _OBJECTS = "manifest.json", "objects.jsonl"
_NAMES = re.compile(r"objects\.jsonl|encryption\.key|pki/[^/.\0][^/\0]*")
_MAX_FILE = 1024 * 1024
_MAX_OBJECTS = 2 * 1024**3
_MAX_WHOLE = _MAX_OBJECTS + 64 * 1024**2
_MAX_REVISION = 2**62
_CHUNK = 1024 * 1024


class BadArchive(Exception):
    """The file is no backup, is damaged, or is of another format; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A backup: the objects, and `files` by their names in it. `created` is RFC 3339, `version` StarLink's."""

    snapshot: StoreCopy
    files: Mapping[str, bytes]
    created: str
    version: str


class _Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    size: int
    sha256: str


class _Format(msgspec.Struct, frozen=True):
    format: int
    starlink: str = ""


class _Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    starlink: str
    created: str
    revision: int
    objects: int
    members: list[_Member]


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An object; `sealed` is base64 of a body that is no text."""

    resource: str
    namespace: str
    name: str
    revision: int
    body: str | None = None
    sealed: bytes | None = None


class _Bounded:
    """A stream that ends with BadArchive where no backup is that long: a few bytes may unpack to more than there is."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._left = _MAX_WHOLE

    def read(self, size: int) -> bytes:
        content = self._stream.read(min(size, self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            raise BadArchive(f"it unpacks to more than {_MAX_WHOLE} bytes, which no backup has")
        return content


_line_decoder = msgspec.json.Decoder(_Line)
_DAMAGE = (
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    msgspec.MsgspecError,
    ValueError,
    OverflowError,
    RecursionError,
)


def write(path: Path, archive: Archive) -> None:
    """Writes the file, mode 0600, under a name of its own until it is whole and has been read back.

    Raises BadArchive, OSError; the file that was there is left then.
    """
    with durable.replacing(path) as file:
        _pack(file, archive)
        file.flush()
        read(Path(file.name))


def _pack(file: IO[bytes], archive: Archive) -> None:
    contents = {_OBJECTS: b"".join(map(_line, archive.snapshot.records)), **archive.files}
    members = [_Member(name, len(content), _sha256(content)) for name, content in contents.items()]
    snapshot = archive.snapshot
    manifest = _Manifest(
        FORMAT, archive.version, archive.created, snapshot.revision, len(snapshot.records), members
    )  # fmt: skip
    manifest_json = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w") as tar,
    ):
        for name, content in {_MANIFEST: manifest_json, **contents}.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o600
            tar.addfile(info, io.BytesIO(content))


def _line(record: Record) -> bytes:
    try:
        line = _Line(*record.key, record.revision, body=record.body.decode())
    except UnicodeDecodeError:
        line = _Line(*record.key, record.revision, sealed=record.body)
    return msgspec.json.encode(line) + b"\n"


def read(path: Path) -> Archive:
    """Reads the file and checks all of it. Raises BadArchive, OSError."""
    try:
        with gzip.open(path) as unpacked:
            stream = _Bounded(unpacked)
            with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|") as tar:
                manifest, contents = _members(tar)
            while stream.read(_CHUNK):  # to the very end, where gzip's own checksum is
                pass
        return _archive(manifest, contents)
    except BadArchive as error:
        raise BadArchive(f"{path}: {error}") from error
    except _DAMAGE as error:
        raise BadArchive(f"{path} is no whole backup of StarLink ({error}); take another one") from error


def _members(tar: tarfile.TarFile) -> tuple[_Manifest, dict[str, bytes]]:
    infos = iter(tar)
    manifest = _read_manifest(tar, infos)
    expected = {member.name: member for member in manifest.members}
    contents: dict[str, bytes] = {}
    for info in infos:
        member = expected.pop(info.name, None)
        if member is None or not _NAMES.fullmatch(info.name):
            raise BadArchive(f"the member {info.name!r} does not belong into a backup, or is there twice")
        contents[info.name] = _content(tar, info, member.size)
        if _sha256(contents[info.name]) != member.sha256:
            raise BadArchive(f"the member {info.name} is not what the manifest says (sha256); take another backup")
    if expected or _OBJECTS not in contents:
        raise BadArchive(f"the member {next(iter(expected), _OBJECTS)} is missing; take another backup")
    return manifest, contents


def _read_manifest(tar: tarfile.TarFile, infos: Iterator[tarfile.TarInfo]) -> _Manifest:
    info = next(infos, None)
    if info is None or info.name != _MANIFEST:
        raise BadArchive(f"it does not begin with {_MANIFEST}, so it is no backup of StarLink")
    content = _content(tar, info, info.size)
    format_ = msgspec.json.decode(content, type=_Format)
    if format_.format != FORMAT:
        raise BadArchive(
            f"it is of format {format_.format} and this StarLink reads format {FORMAT}; "
            f"restore it with the StarLink that made it ({format_.starlink})"
        )
    return msgspec.json.decode(content, type=_Manifest)


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo, size: int) -> bytes:
    file = tar.extractfile(info) if info.isreg() else None
    if file is None:
        raise BadArchive(f"the member {info.name} is no regular file")
    limit = _MAX_OBJECTS if info.name == _OBJECTS else _MAX_FILE
    if not 0 <= info.size <= limit:
        raise BadArchive(f"the member {info.name} has {info.size} bytes, and may have {limit}")
    if info.size != size:
        raise BadArchive(f"the member {info.name} has {info.size} bytes, the manifest says {size}; take another backup")
    return file.read()


def _archive(manifest: _Manifest, contents: dict[str, bytes]) -> Archive:
    parse_time(manifest.created)
    records = _records(contents.pop(_OBJECTS), manifest)
    return Archive(StoreCopy(records, manifest.revision), contents, manifest.created, manifest.starlink)


def _records(lines: bytes, manifest: _Manifest) -> Sequence[Record]:
    records = [_record(line) for line in lines.splitlines()]
    if len(records) != manifest.objects or len({record.key for record in records}) != len(records):
        raise BadArchive(f"it holds {len(records)} objects, the manifest says {manifest.objects} different ones")
    newer = next((record for record in records if not 0 < record.revision <= manifest.revision), None)
    if newer is not None:
        raise BadArchive(
            f"{told(newer.key)} is at revision {newer.revision}, the backup is of revision {manifest.revision}"
        )
    if not 0 <= manifest.revision <= _MAX_REVISION:
        raise BadArchive(f"it is of revision {manifest.revision}, which no store reaches")
    return records


def _record(line: bytes) -> Record:
    found = _line_decoder.decode(line)
    body = found.sealed if found.body is None else found.body.encode()
    if body is None:
        raise BadArchive(f"the object {found.resource} {found.namespace}/{found.name} has no body")
    return Record(Key(found.resource, found.namespace, found.name), found.revision, body)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
