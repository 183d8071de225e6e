"""Stores in etcd, opened for a test; skips a module that imports it where the extra [etcd] is not installed."""

import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest
from tests.etcd_tls import Tls

from starlink.store.seal import Plain, Seal

pytest.importorskip("grpc", reason="the extra [etcd] is not installed")
from starlink.store.etcd import EtcdStore as EtcdStore


@contextlib.asynccontextmanager
async def opened(
    endpoints: Sequence[str],
    prefix: str = "/starlink/",
    kept: int = 10_000,
    tls: Tls | None = None,
    seal: Seal | None = None,
) -> AsyncIterator[EtcdStore]:
    files = (tls.ca, tls.cert, tls.key) if tls else (None, None, None)
    made = EtcdStore(
        endpoints, prefix=prefix, kept=kept, ca=files[0], cert=files[1], key=files[2], seal=seal or Plain()
    )
    await made.open()
    try:
        yield made
    finally:
        await made.close()
