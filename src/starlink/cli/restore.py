"""`starlink restore`: a data directory from what `starlink backup` saved."""

import asyncio
import contextlib
import functools
import os
import shlex
import sqlite3
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from starlink.api.timestamp import parse_time
from starlink.cli import etcd_copy, settings, swap, tenant
from starlink.cli.archive import ENCRYPTION_KEY, PKI, Archive, BadArchive, read
from starlink.cli.backup import check_seals, seal_of
from starlink.cli.cluster import demand_which
from starlink.cli.datadir import DataDir
from starlink.cli.earlier import settings_of
from starlink.cli.etcd import SQLITE, EtcdOptions, etcd_options
from starlink.cli.faults import os_error
from starlink.cli.rebirth import reborn
from starlink.cli.settings import BadSettings, UpSettings
from starlink.files import durable, lock
from starlink.files.folder import NotUsable
from starlink.store import backup
from starlink.store.base import REVISION_STEP, StoreRefused, StoreUnavailable
from starlink.store.sqlite_file import lock_of


class NotRestored(Exception):
    """Why nothing was restored, and what to do."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Move what is there aside; it is not removed.")
@etcd_options("Put the objects into this etcd, where `up` will serve them [SQLite].")
@click.pass_context
def command(ctx: click.Context, file: Path, force: bool, etcd: EtcdOptions | None) -> None:
    """Bring back what FILE holds, into a data directory on which no StarLink runs.

    With --etcd the objects go below a prefix that holds nothing yet, else into SQLite, which `up` then serves.
    """
    demand_which(ctx, f"restore {shlex.quote(str(file))}")
    data = DataDir.of(ctx.obj["data_dir"])
    try:
        archive = read(file)
        check_seals(archive)
        with _held(data):
            aside = restore(data, archive, str(uuid.uuid4()), time.time(), force=force, etcd=etcd or SQLITE)
    except (NotRestored, BadSettings, BadArchive, StoreRefused, StoreUnavailable, sqlite3.Error) as error:
        raise click.ClickException(f"nothing was restored: {error}") from None
    except OSError as error:
        raise click.ClickException(f"nothing was restored: {os_error(error)}") from None
    where = etcd if etcd and etcd.endpoints else data.root
    click.echo(f"{where} holds the {len(archive.snapshot.records)} objects of {file}, saved {archive.created}")
    if aside is not None:
        click.echo(f"what was there before is in {aside}")
    click.echo(f"start it with: {data.command('up')}")


@contextlib.contextmanager
def _held(data: DataDir) -> Iterator[None]:
    """Keeps every StarLink off the data dir. Raises NotRestored when one runs, or the data dir can't be one."""
    try:
        data.create()
    except NotUsable as error:
        raise NotRestored(tenant.of_agent(data) or f"--data-dir {data.root}: {error}") from None
    with contextlib.ExitStack() as held:
        for path in (data.lock, lock_of(data.database)):
            if path.parent.exists():
                held.callback(os.close, _take(data, path))
        yield


def _take(data: DataDir, path: Path) -> int:
    try:
        return lock.take(path)
    except BlockingIOError:
        raise NotRestored(
            f"StarLink runs on {data.root}; stop it with `{data.command('down')}`, or give another --data-dir"
        ) from None


def restore(
    data: DataDir, archive: Archive, identity: str, now: float, *, force: bool, etcd: EtcdOptions = SQLITE
) -> Path | None:
    """Puts the archive's objects and keys in place, all or nothing; gives where it moved what was there.

    A restore that was cut short is replaced like anything else, asked or not: nobody has used it yet.
    Raises NotRestored when something is there and `force` is not given; StoreRefused, StoreUnavailable, OSError,
    sqlite3.Error.
    """
    force = force or swap.is_unfinished(data.root)
    swap.finish(data.root)
    present = next((folder for folder in (data.pki, data.store) if swap.holds_something(folder)), None)
    if present and not force:
        raise NotRestored(f"{present} is not empty; give another --data-dir, or --force to move what is there aside")
    seal, told = seal_of(archive), _told(archive, data, now)
    commit = functools.partial(swap.commit, data.root, now)
    try:
        staged = _staged(data, archive, etcd)
        if etcd.endpoints:
            asyncio.run(etcd_copy.fill(etcd, archive.snapshot, seal, identity, told, commit))
        else:
            revision = max(told.saved, told.replaced)
            backup.into_sqlite(staged.database, reborn(archive.snapshot, revision, identity, seal))
            commit()
    finally:
        swap.discard(data.root)
    return swap.finish(data.root)


def _told(archive: Archive, data: DataDir, now: float) -> etcd_copy.Told:
    """What the store that was saved may have told since, and the one that is there."""
    saved = archive.snapshot.next_life(now - parse_time(archive.created))
    before = settings_of(data)
    etcd = before.etcd if before else SQLITE
    with contextlib.suppress(StoreRefused, StoreUnavailable):  # none, or the lost one for which this is the cure
        if etcd.endpoints:
            return etcd_copy.Told(saved, asyncio.run(etcd_copy.revision(etcd)))
        return etcd_copy.Told(saved, backup.of_sqlite(data.database).revision + REVISION_STEP)
    return etcd_copy.Told(saved)


def _staged(data: DataDir, archive: Archive, etcd: EtcdOptions) -> DataDir:
    """Keys and certificates, and what the next `up` is to know, where they wait for the objects."""
    staged = DataDir(swap.stage(data.root))
    for folder in (staged.pki, staged.store):
        folder.mkdir(mode=0o700)
    for name, content in archive.files.items():
        path = staged.encryption_key if name == ENCRYPTION_KEY else staged.pki / name.removeprefix(PKI)
        durable.replace(path, content)
    before = settings_of(data) or UpSettings()
    if before.etcd != etcd:
        settings.save(staged.settings, msgspec.structs.replace(before, etcd=etcd))
    return staged
