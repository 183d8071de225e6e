"""What `starlink backup` and `starlink restore` do in etcd."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starlink.apiserver import backend
from starlink.cli.etcd import EtcdOptions
from starlink.cli.rebirth import IDENTITY, identity_of, reborn, uid_of
from starlink.store.backup import WRITES_A_SECOND, StoreCopy
from starlink.store.base import StoreRefused
from starlink.store.seal import Seal

if TYPE_CHECKING:
    from starlink.store.etcd.copying import Copying

_DAY = 24 * 3600
_STEP = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Told:
    """Revisions that clients may know: of the StarLink that was saved (`saved`), and of the one that is replaced."""

    saved: int
    replaced: int = 0


async def taken(etcd: EtcdOptions) -> StoreCopy:
    """What is there, served or not; writes nothing. Raises StoreRefused, StoreUnavailable, OSError."""
    async with _connected(etcd) as copying:
        return await copying.snapshot()


async def revision(etcd: EtcdOptions) -> int:
    """Raises as `taken`."""
    async with _connected(etcd) as copying:
        return await copying.revision()


async def fill(
    etcd: EtcdOptions, saved: StoreCopy, seal: Seal, identity: str, told: Told, commit: Callable[[], None]
) -> None:
    """Puts a backup's objects in place as another cluster's. No store serves them until `commit` has returned.

    Raises StoreRefused when something is there already, or when etcd's revision is too low, and as `taken`.
    """
    async with _connected(etcd) as copying:
        await _check_revision(etcd, copying, saved, seal, told)
        restoring = copying.restoring(seal, identity)
        await _claim(etcd, copying, restoring.claim)
        records = reborn(saved, 0, identity, seal).records
        await restoring.write(sorted(records, key=lambda record: record.revision))
        commit()
        await restoring.finish()


async def _check_revision(etcd: EtcdOptions, copying: "Copying", saved: StoreCopy, seal: Seal, told: Told) -> None:
    """An etcd that has the saved StarLink in it has told whatever clients know of that one: it goes on above."""
    mine = identity_of(saved, seal)
    served = bool(mine) and mine in map(uid_of, await copying.bodies(IDENTITY))
    needed = max(saved.revision if served else told.saved, told.replaced)
    found = await copying.revision()
    if found < needed:
        raise StoreRefused(
            f"{etcd} is at revision {found}, but clients may know resourceVersions up to {needed}, and would take what "
            "is restored for old; no client can raise etcd's revision, so save a snapshot of it, restore this on every "
            "member, start etcd on it and restore again within a day "
            "(https://etcd.io/docs/v3.6/op-guide/recovery/):\n"
            "  etcdctl snapshot save SNAPSHOT\n"
            f"  etcdutl snapshot restore SNAPSHOT --data-dir NEW --bump-revision {bump(found, needed)} --mark-compacted"
        )


def bump(found: int, needed: int) -> int:
    """How much to raise a revision, with what is told in a day to come, in thousand millions."""
    return -(-(needed + _DAY * WRITES_A_SECOND - found) // _STEP) * _STEP


async def _claim(etcd: EtcdOptions, copying: "Copying", claim: Callable[[], Awaitable[None]]) -> None:
    from starlink.store.etcd.restoring import Occupied

    try:
        await claim()
    except Occupied:
        raise StoreRefused(
            f"{etcd} holds something already, and nothing in etcd is moved or replaced, with --force or without; "
            f"take a prefix that is free: --etcd-prefix {await copying.free_prefix()}"
        ) from None


@contextlib.asynccontextmanager
async def _connected(etcd: EtcdOptions) -> AsyncIterator["Copying"]:
    backend.check_etcd("--etcd")
    from starlink.store.etcd.copying import connected
    from starlink.store.etcd.endpoint import TlsFiles

    async with contextlib.AsyncExitStack() as stack:
        try:
            files = TlsFiles(*(Path(path) if path else None for path in (etcd.ca, etcd.cert, etcd.key)))
            there = connected(backend.endpoints(etcd.endpoints), backend.prefix(etcd.prefix), files)
            copying = await stack.enter_async_context(there)
        except ValueError as error:
            raise StoreRefused(f"--etcd {etcd.endpoints}: {error}") from None
        yield copying
