"""Objects as they lie on the disk: sealed or plain.

A sealed body is `MARK`, a format byte, the id of its key, a nonce, and AES-256-GCM of the object. The
object's key is authenticated with it, so a sealed body can't be passed off as another object's.
"""

import os
from collections.abc import Callable, Collection
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from starlink.store.base import Key, StoreRefused
from starlink.store.keyfile import ID_BYTES, KeyFile

MARK = b"\x00SL"
"""Begins no JSON text."""
FORMAT = 1
NONCE_BYTES = 12
SEALED_BY_DEFAULT = ("/secrets",)

_HEADER_BYTES = len(MARK) + 1 + ID_BYTES


class Seal(Protocol):
    """Between an object in memory and its bytes on the disk."""

    def seal(self, key: Key, body: bytes) -> bytes:
        """The bytes to store."""

    def unseal(self, key: Key, stored: bytes) -> bytes:
        """The body that was sealed; what is not sealed is given as it is. Raises StoreRefused."""

    def stale(self, key: Key, stored: bytes) -> bool:
        """Whether the body would be stored otherwise now: sealed, not sealed, or with another key."""


class Plain:
    """No sealing; a body that was sealed is refused."""

    def seal(self, key: Key, body: bytes) -> bytes:
        return body

    def unseal(self, key: Key, stored: bytes) -> bytes:
        if is_sealed(stored):
            raise StoreRefused(
                f"{told(key)} is sealed with the key {key_id(stored)}; give the file that holds this key"
            )
        return stored

    def stale(self, key: Key, stored: bytes) -> bool:
        return False


class AsStored(Plain):
    """For copies: what is stored, sealed or not, is passed on as it is."""

    def unseal(self, key: Key, stored: bytes) -> bytes:
        return stored


class AesGcmSeal:
    """Seals the objects of `resources` with AES-256-GCM; `random` makes the nonces.

    Random nonces of 96 bits are good for 2**32 writes with one key:
    https://nvlpubs.nist.gov/nistpubs/Legacy/SP/nistspecialpublication800-38d.pdf, section 8.3.
    """

    def __init__(
        self,
        keys: KeyFile,
        resources: Collection[str] = SEALED_BY_DEFAULT,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._path = keys.path
        self._ciphers = {key.id: AESGCM(key.secret) for key in keys.keys}
        self._header = MARK + bytes([FORMAT]) + bytes.fromhex(keys.keys[0].id)
        self._cipher = self._ciphers[keys.keys[0].id]
        self._resources = frozenset(resources)
        self._random = random

    def seal(self, key: Key, body: bytes) -> bytes:
        # A body that looks sealed is sealed too, or it would be taken for a sealed one when it is read.
        if key.resource not in self._resources and not is_sealed(body):
            return body
        nonce = self._random(NONCE_BYTES)
        return self._header + nonce + self._cipher.encrypt(nonce, body, _associated(self._header, key))

    def unseal(self, key: Key, stored: bytes) -> bytes:
        if not is_sealed(stored):
            return stored
        cipher = self._cipher_of(key, stored)
        header, rest = stored[:_HEADER_BYTES], stored[_HEADER_BYTES:]
        try:
            return cipher.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], _associated(header, key))
        except (InvalidTag, ValueError):
            raise StoreRefused(
                f"{told(key)} is not as it was sealed with the key {key_id(stored)}: "
                "it was changed, or it is another object's; restore a backup"
            ) from None

    def _cipher_of(self, key: Key, stored: bytes) -> AESGCM:
        format_ = stored[len(MARK)] if len(stored) > len(MARK) else 0
        if format_ != FORMAT:
            raise StoreRefused(
                f"{told(key)} is sealed in format {format_}, this StarLink knows {FORMAT}; run the one that wrote it"
            )
        found = self._ciphers.get(key_id(stored))
        if found is None:
            raise StoreRefused(
                f"{told(key)} is sealed with the key {key_id(stored)}, which is not in {self._path} "
                f"(it holds {', '.join(self._ciphers)}); add the line of that key, from a backup of the file"
            )
        return found

    def stale(self, key: Key, stored: bytes) -> bool:
        if key.resource in self._resources:
            return not stored.startswith(self._header)
        return is_sealed(stored)


def is_sealed(stored: bytes) -> bool:
    """Whether the bytes are a sealed body."""
    return stored.startswith(MARK)


def key_id(stored: bytes) -> str:
    """The id of the key that sealed the bytes."""
    return stored[len(MARK) + 1 : _HEADER_BYTES].hex()


def told(key: Key) -> str:
    """The object as a person writes it: `secrets ns/name`, `tasks.starlink.dev ns/name`."""
    group, _, plural = key.resource.rpartition("/")
    resource = f"{plural}.{group}" if group else plural
    return f"{resource} {key.namespace}/{key.name}" if key.namespace else f"{resource} {key.name}"


def _associated(header: bytes, key: Key) -> bytes:
    parts = [part.encode() for part in key]
    return header + b"".join(len(part).to_bytes(4) + part for part in parts)
