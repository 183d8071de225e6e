"""Archives as a stranger makes them: members of any kind and name, in any format, lies included."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

TAR_FORMATS: dict[str, Literal[0, 1, 2]] = {
    "ustar": tarfile.USTAR_FORMAT,
    "gnu": tarfile.GNU_FORMAT,
    "pax": tarfile.PAX_FORMAT,
}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gz": lambda data: gzip.compress(data, 6),
    "bz2": bz2.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
}
END = bytes(1024)


@dataclass(frozen=True)
class Item:
    """A member: a file unless `kind` is another of tarfile's types."""

    name: str
    content: bytes = b""
    kind: bytes = tarfile.REGTYPE
    target: str = ""
    mode: int = 0o644
    pax: dict[str, str] = field(default_factory=dict)
    mtime: float = 0


def folder(name: str, mode: int = 0o755) -> Item:
    return Item(name, kind=tarfile.DIRTYPE, mode=mode)


def link(name: str, target: str) -> Item:
    return Item(name, kind=tarfile.SYMTYPE, target=target, mode=0o777)


def tar(*items: Item, form: str = "gnu", packing: str = "", end: bytes = END) -> bytes:
    return PACKERS[packing](b"".join(_taped(item, TAR_FORMATS[form]) for item in items) + end)


def _taped(item: Item, form: Literal[0, 1, 2]) -> bytes:
    info = tarfile.TarInfo(item.name)
    info.type, info.linkname, info.mode, info.mtime = item.kind, item.target, item.mode, item.mtime
    info.size = len(item.content)
    info.pax_headers = dict(item.pax)
    try:
        header = info.tobuf(form, "utf-8", "surrogateescape")
    except ValueError:  # too long for ustar
        header = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    return header + item.content + bytes(-len(item.content) % 512)


def forged(block: bytes, **places: tuple[int, bytes]) -> bytes:
    """A header block with bytes changed, each (offset, bytes), and a checksum that agrees."""
    made = bytearray(block)
    for offset, data in places.values():
        made[offset : offset + len(data)] = data
    made[148:156] = b" " * 8
    made[148:156] = b"%06o\0 " % sum(made[:512])
    return bytes(made)


def zip_of(*items: Item, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w", method) as archive:
        warnings.simplefilter("ignore")  # of names that come twice
        for item in items:
            archive.writestr(_zip_info(item, method), item.target if item.kind == tarfile.SYMTYPE else item.content)
    return made.getvalue()


_ZIP_KINDS = {
    tarfile.REGTYPE: 0o100000, tarfile.DIRTYPE: 0o040000, tarfile.SYMTYPE: 0o120000, tarfile.CHRTYPE: 0o020000,
    tarfile.BLKTYPE: 0o060000, tarfile.FIFOTYPE: 0o010000, tarfile.LNKTYPE: 0o140000,
}  # fmt: skip


class _ZipInfo(zipfile.ZipInfo):
    """Writes names that are not UTF-8, and says that they are."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode("utf-8", "surrogateescape"), self.flag_bits | 0x800


def _zip_info(item: Item, method: int) -> zipfile.ZipInfo:
    slash = "/" if item.kind == tarfile.DIRTYPE and not item.name.endswith("/") else ""
    info = _ZipInfo("a")
    info.filename, info.create_system, info.compress_type = item.name + slash, 3, method
    info.external_attr = (_ZIP_KINDS[item.kind] | item.mode) << 16
    return info


def listed(count: int) -> bytes:
    """A zip whose directory lists one folder so many times."""
    one = zip_of(folder("a"))
    start, entry, tail = one.partition(b"PK\x01\x02")
    entry += tail.partition(b"PK\x05\x06")[0]
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, count * len(entry), len(start), 0)
    return start + entry * count + end


def gnu_long_name(size: int) -> bytes:
    """The header of a long name of so many bytes; they are to follow."""
    return forged(tarfile.TarInfo("x").tobuf(tarfile.GNU_FORMAT), kind=(156, b"L"), size=(124, b"%011o\0" % size))


def pax_header(content: bytes) -> bytes:
    head = forged(
        tarfile.TarInfo("x").tobuf(tarfile.USTAR_FORMAT), kind=(156, b"x"), size=(124, b"%011o\0" % len(content))
    )
    return head + content + bytes(-len(content) % 512)


def gnu_sparse(name: str, regions: Sequence[tuple[int, bytes]], size: int) -> bytes:
    """A sparse member of GNU's own format with at most four regions."""
    stored = b"".join(content for _, content in regions)
    holes = b"".join(b"%011o\0%011o\0" % (offset, len(content)) for offset, content in regions)
    head = forged(
        tarfile.TarInfo(name).tobuf(tarfile.GNU_FORMAT),
        kind=(156, b"S"), stored=(124, b"%011o\0" % len(stored)), map=(386, holes), size=(483, b"%011o\0" % size),
    )  # fmt: skip
    return head + stored + bytes(-len(stored) % 512)


def pax_sparse(name: str, regions: Sequence[tuple[int, bytes]], size: int) -> bytes:
    """The same of version 1.0 for pax archives."""
    numbers = [len(regions), *(number for offset, content in regions for number in (offset, len(content)))]
    holes = b"".join(b"%d\n" % number for number in numbers)
    stored = holes + bytes(-len(holes) % 512) + b"".join(content for _, content in regions)
    keys = {"major": "1", "minor": "0", "name": name, "realsize": str(size)}
    pax: dict[str, Any] = {f"GNU.sparse.{key}": value for key, value in keys.items()}
    return _taped(Item(f"GNUSparseFile.0/{name}", stored, pax=pax), tarfile.PAX_FORMAT)
