"""Packages for tests: ELF headers, zips, tars and image layouts, made as told."""

import hashlib
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

MACHINES = {"amd64": 62, "arm64": 183, "riscv64": 243, "i386": 3, "arm": 40}
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


def elf(
    machine: str | int, kind: int = 3, interpreter: bool = True, wide: bool | None = None, order: str = "<",
    loader: str = "", at: int = 512,
) -> bytes:  # fmt: skip
    """A header as a linker writes it, with one program header, and some code; `at` lies the path of its loader."""
    number = MACHINES[machine] if isinstance(machine, str) else machine
    wide = machine not in ("i386", "arm") if wide is None else wide
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    size = 64 if wide else 52
    shape, stride = ("HHIQQQIHHHHHH", 56) if wide else ("HHIIIIIHHHHHH", 32)
    header = struct.pack(order + shape, kind, number, 1, 0, size, 0, 0, size, stride, 1, 0, 0, 0)
    path = loader.encode() + b"\0" if loader else b""
    place = struct.pack(order + ("IIQQQQQQ" if wide else "IIIIIIII"), 3 if interpreter else 1, *_place(wide, at, path))
    content = ident + header + place + b"\x90" * 200
    return content.ljust(at, b"\x90") + path if path else content


def _place(wide: bool, at: int, path: bytes) -> Sequence[int]:
    """What follows the type in a program header."""
    where = (at, 0, 0, len(path), 0, 0) if path else (0,) * 6
    return (0, *where) if wide else (*where, 0)


Files = Mapping[str, bytes | tuple[bytes, int]]


def _split(content: bytes | tuple[bytes, int]) -> tuple[bytes, int]:
    return content if isinstance(content, tuple) else (content, 0o755)


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip; each file is its content, or content and mode."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in files.items():
            data, mode = _split(content)
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = method, (0o100000 | mode) << 16
            archive.writestr(info, data)
    return made.getvalue()


def tarred(files: Files, compression: str = "") -> bytes:
    """A tar; `compression` is "", gz, bz2 or xz."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=f"w:{compression}") as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            data, mode = _split(content)
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), mode
            archive.addfile(info, io.BytesIO(data))
    return made.getvalue()


def descriptor(content: bytes, media_type: str = MANIFEST, **fields: Any) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return {"mediaType": media_type, "digest": digest, "size": len(content), **fields}


def platform(text: str) -> dict[str, str]:
    return dict(zip(("os", "architecture", "variant"), text.split("/"), strict=False))


def index(*descriptors: dict[str, Any]) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors}).encode()


def layout(top: bytes, *blobs: bytes) -> dict[str, bytes | tuple[bytes, int]]:
    """The files of an OCI image layout, blobs first, as some tools write them."""
    files: dict[str, bytes | tuple[bytes, int]] = {
        f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}": blob for blob in blobs
    }
    return {**files, "index.json": top, "oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}


def plain_image(text: str) -> tuple[bytes, bytes]:
    """Manifest and config of an image whose platform only its config tells."""
    config = json.dumps(platform(text)).encode()
    return json.dumps({"schemaVersion": 2, "config": descriptor(config, CONFIG), "layers": []}).encode(), config
