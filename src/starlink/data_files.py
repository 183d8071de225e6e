"""YAML files that ship with StarLink. Each is read once and kept beside itself as JSON, as Python keeps its modules:
reading them all as YAML takes longer than all else that a start of the API server computes.
"""

import contextlib
import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

KEPT = "__pycache__"


def load(path: Path) -> Any:
    """The one document of a file. Raises BadManifest, OSError."""
    text = path.read_bytes()
    copy = path.parent / KEPT / f"{path.name}.{_digest(text)}"
    with contextlib.suppress(OSError):
        digest, _, kept = copy.read_bytes().partition(b"\n")
        if digest.decode(errors="replace") == _digest(kept):  # a damaged copy is none
            return msgspec.json.decode(kept)
    from starlink import manifest  # PyYAML, for which nobody has a use once all files are kept

    read = manifest.load(path)
    if not sys.dont_write_bytecode and path.read_bytes() == text:
        _keep(copy, msgspec.json.encode(read))
    return read


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _keep(copy: Path, content: bytes) -> None:
    """In place of a copy of what the file was before. Who may not write there reads YAML each time."""
    partial = copy.with_name(f"{copy.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        copy.parent.mkdir(exist_ok=True)
        partial.write_bytes(_digest(content).encode() + b"\n" + content)
        for older in copy.parent.glob(f"{copy.stem}.*"):
            if older != partial:
                older.unlink(missing_ok=True)
        partial.replace(copy)
