"""Secrets in etcd: sealed there, plain in memory, and sealed anew with a new key."""

from pathlib import Path

import pytest
from tests.conftest import soon
from tests.contract.etcd_stores import opened
from tests.contract.stores import A, take
from tests.etcd_server import EtcdServer

from starlink.store.base import Key, StoreRefused
from starlink.store.keyfile import KeyFile, SealKey
from starlink.store.seal import MARK, AesGcmSeal, Plain, Seal

SECRET = Key("/secrets", "ns", "a")


def sealed_with(*numbers: int) -> Seal:
    return AesGcmSeal(KeyFile(Path("encryption.key"), tuple(SealKey(bytes([number]) * 32) for number in numbers)))


async def test_secrets_are_sealed_in_etcd_and_plain_in_memory(etcd: EtcdServer, prefix: str) -> None:
    async with opened(etcd.endpoints, prefix, seal=sealed_with(1)) as store:
        first = await store.put(SECRET, b"hidden", expect=0)
        await store.put(A, b"shown", expect=0)
        assert store.get(SECRET) == first and first.body == b"hidden"
        held = {name.removeprefix(prefix): value for name, (_, _, value) in etcd.held(prefix).items()}
        assert held["/secrets/ns/a"].startswith(MARK) and b"hidden" not in held["/secrets/ns/a"]
        assert held["g/things/ns/a"].endswith(b"shown")
        assert (await store.delete(SECRET, expect=first.revision)).body == b"hidden"
    async with opened(etcd.endpoints, prefix, seal=sealed_with(1)) as store:
        told = await take(store.watch("/secrets", None, first.revision - 1), 2)
        assert [event.record.body for event in told] == [b"hidden", b"hidden"]


async def test_a_server_with_another_key_is_refused(etcd: EtcdServer, prefix: str) -> None:
    async with opened(etcd.endpoints, prefix, seal=sealed_with(1)):
        pass
    for seal in (sealed_with(2), Plain()):
        with pytest.raises(StoreRefused, match="is sealed with the key"):
            async with opened(etcd.endpoints, prefix, seal=seal):
                pass


async def test_a_new_key_seals_everything_anew(etcd: EtcdServer, prefix: str) -> None:
    async with opened(etcd.endpoints, prefix, seal=sealed_with(1)) as store:
        first = await store.put(SECRET, b"hidden", expect=0)
    async with opened(etcd.endpoints, prefix, seal=sealed_with(2, 1)) as store:
        await soon(lambda: (found := store.get(SECRET)) and found.revision > first.revision, "the secret anew")
        assert store.get(SECRET).body == b"hidden"  # type: ignore[union-attr]
    etcd.compact(etcd.revision())
    async with opened(etcd.endpoints, prefix, seal=sealed_with(2)) as store:
        assert store.get(SECRET).body == b"hidden"  # type: ignore[union-attr]


async def test_a_write_that_cannot_be_read_is_waited_for(
    etcd: EtcdServer, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that lacks the new key of another must not serve as if there had been nothing."""
    async with (
        opened(etcd.endpoints, prefix, seal=sealed_with(1)) as old,
        opened(etcd.endpoints, prefix, seal=sealed_with(2, 1)) as new,
    ):
        await new.put(SECRET, b"hidden", expect=0)
        later = await new.put(A, b"1", expect=0)
        await soon(lambda: "nothing after it is seen here" in caplog.text, "the old server to say so")
        assert old.get(A) is None and not await old.reaches(later.revision, 0.05)
