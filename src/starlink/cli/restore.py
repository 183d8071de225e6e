"""`starlink restore`: a data directory from what `starlink backup` saved."""

import contextlib
import os
import sqlite3
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import click

from starlink.api.timestamp import parse_time
from starlink.cli import swap
from starlink.cli.archive import ENCRYPTION_KEY, PKI, Archive, BadArchive, read
from starlink.cli.backup import check_seals, seal_of
from starlink.cli.datadir import DataDir
from starlink.cli.rebirth import reborn
from starlink.store import backup, durable, lock
from starlink.store.base import StoreRefused
from starlink.store.sqlite_file import REVISION_STEP, lock_of


class NotRestored(Exception):
    """Why nothing was restored, and what to do."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Move what is there aside; it is not removed.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where everything is kept.")
@click.pass_context
def command(ctx: click.Context, file: Path, force: bool, data_dir: Path | None) -> None:
    """Bring back what FILE holds, into a data directory on which no StarLink runs."""
    data = DataDir.of(data_dir or ctx.obj["data_dir"])
    try:
        archive = read(file)
        check_seals(archive)
        with _held(data):
            aside = restore(data, archive, str(uuid.uuid4()), time.time(), force=force)
    except (NotRestored, BadArchive, StoreRefused, OSError, sqlite3.Error) as error:
        raise click.ClickException(f"nothing was restored: {error}") from None
    click.echo(f"{data.root} holds the {len(archive.snapshot.records)} objects of {file}, saved {archive.created}")
    if aside is not None:
        click.echo(f"what was there before is in {aside}")
    click.echo(f"start it with: starlink --data-dir {data.root} up")


@contextlib.contextmanager
def _held(data: DataDir) -> Iterator[None]:
    """Keeps every StarLink off the data dir. Raises NotRestored when one runs."""
    data.create()
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
            f"StarLink runs on {data.root}; stop it with `starlink --data-dir {data.root} down`, "
            "or give another --data-dir"
        ) from None


def restore(data: DataDir, archive: Archive, identity: str, now: float, *, force: bool) -> Path | None:
    """Puts the archive's objects and keys in place, all or nothing; gives where it moved what was there.

    A restore that was cut short is replaced like anything else, asked or not: nobody has used it yet.
    Raises NotRestored when something is there and `force` is not given; StoreRefused, OSError, sqlite3.Error.
    """
    force = force or swap.is_unfinished(data.root)
    swap.finish(data.root)
    present = next((folder for folder in (data.pki, data.store) if swap.holds_something(folder)), None)
    if present and not force:
        raise NotRestored(f"{present} is not empty; give another --data-dir, or --force to move what is there aside")
    try:
        _fill(DataDir(swap.stage(data.root)), archive, identity, _next_revision(archive, data, now))
        swap.commit(data.root, now)
    finally:
        swap.discard(data.root)
    return swap.finish(data.root)


def _next_revision(archive: Archive, data: DataDir, now: float) -> int:
    """Above every revision that was told by the store that was saved, and by the one that is there."""
    told = archive.snapshot.next_life(now - parse_time(archive.created))
    with contextlib.suppress(StoreRefused):  # none, or the damaged one for which this is the cure
        told = max(told, backup.of_sqlite(data.database).revision + REVISION_STEP)
    return told


def _fill(staged: DataDir, archive: Archive, identity: str, revision: int) -> None:
    for folder in (staged.pki, staged.store):
        folder.mkdir(mode=0o700)
    for name, content in archive.files.items():
        path = staged.encryption_key if name == ENCRYPTION_KEY else staged.pki / name.removeprefix(PKI)
        durable.replace(path, content)
    backup.into_sqlite(staged.database, reborn(archive.snapshot, revision, identity, seal_of(archive)))
