"""The file of keys that seal what is stored."""

import base64
import binascii
import contextlib
import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from starlink.files import durable
from starlink.store.base import StoreRefused

KEY_BYTES = 32
ID_BYTES = 8

_FROM_BACKUP = "from a backup: tar -xzOf FILE encryption.key"
FILE_BACK = f"put the file back, {_FROM_BACKUP}"
LINE_BACK = f"put the line back as it was, {_FROM_BACKUP}"
"""A new key opens nothing of what the old one sealed."""

_INTRODUCTION = """\
# One key a line, base64 of 32 random bytes. The first seals what is written, all of them unseal what is read.
# Without the key that sealed them, secrets can't be read again by anybody: keep a copy.
"""


@dataclass(frozen=True, slots=True)
class SealKey:
    """One key. Its id is derived from it, so that the two can't be mixed up, and says nothing of it."""

    secret: bytes = field(repr=False)
    id: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(b"starlink key id\0" + self.secret).digest()
        object.__setattr__(self, "id", digest[:ID_BYTES].hex())


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The keys of a file: the first one writes, all of them read."""

    path: Path
    keys: tuple[SealKey, ...]

    @classmethod
    def open(cls, path: Path, random: Callable[[int], bytes] = os.urandom) -> Self:
        """Reads the file, which is made with one key when there is none. Raises StoreRefused, OSError."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with contextlib.suppress(FileExistsError):  # another process was faster
                durable.create(path, _INTRODUCTION.encode() + base64.b64encode(random(KEY_BYTES)) + b"\n")
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise StoreRefused(
                    f"{path} has mode {mode:04o}, so others than its owner have access to the encryption keys; "
                    f"run: chmod 600 {path}"
                )
            return cls.parse(file.read(), path)

    @classmethod
    def parse(cls, content: bytes, path: Path) -> Self:
        """The keys in `content`; `path` is named in errors. Raises StoreRefused."""
        lines = enumerate(content.split(b"\n"), start=1)
        keys = tuple(_key(line, f"{path}, line {number}") for number, line in lines if _is_key(line))
        if not keys:
            raise StoreRefused(
                f"{path} holds no encryption key; put the file back from a backup, "
                "or remove it if nothing was ever sealed, and one is made"
            )
        ids = [key.id for key in keys]
        for number, id_ in enumerate(ids):
            if id_ in ids[:number]:
                raise StoreRefused(f"{path} holds the key {id_} twice; leave one of the two lines")
        return cls(path, keys)


def _is_key(line: bytes) -> bool:
    stripped = line.strip()
    return bool(stripped) and not stripped.startswith(b"#")


def _key(line: bytes, where: str) -> SealKey:
    """The line's key; an error shows nothing of it."""
    try:
        secret = base64.b64decode(line.strip(), validate=True)
    except binascii.Error:
        raise StoreRefused(f"{where} is no base64; {LINE_BACK}") from None
    if len(secret) != KEY_BYTES:
        raise StoreRefused(f"{where} holds {len(secret)} bytes, a key is {KEY_BYTES}; {LINE_BACK}")
    return SealKey(secret)
