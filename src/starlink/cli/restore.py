"""`starlink restore`: a data directory from what `starlink backup` saved.

What is restored is a cluster of its own: it has another identity than the one that was saved, so that agents
which hold instances of the old one, perhaps newer than the backup, stop none of them; and its resourceVersions go on
far above those that clients know, so that each client lists anew.
"""

import contextlib
import os
import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from starlink.cli.archive import ENCRYPTION_KEY, PKI, Archive, BadArchive, read
from starlink.cli.backup import check_seals, seal_of
from starlink.cli.datadir import DataDir
from starlink.store import backup, durable, lock
from starlink.store.backup import Snapshot
from starlink.store.base import Key, Record, StoreRefused
from starlink.store.seal import Seal
from starlink.store.sqlite_file import lock_of

IDENTITY = Key("/namespaces", "", "kube-system")
"""The namespace whose UID is the cluster's identity."""


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
    """Puts everything in place, the store last; gives where it moved what was there.

    Raises NotRestored when something is there and `force` is not given; StoreRefused, OSError, sqlite3.Error.
    """
    present = [folder for folder in (data.pki, data.store) if _holds_something(folder)]
    if present and not force:
        raise NotRestored(f"{present[0]} is not empty; give another --data-dir, or --force to move what is there aside")
    staged = DataDir(data.root / ".restore")
    shutil.rmtree(staged.root, ignore_errors=True)  # of a restore that was killed
    try:
        _stage(staged, archive, identity)
        aside = _move_aside(data, present, now) if present else None
        for source, target in ((staged.pki, data.pki), (staged.store, data.store)):
            _remove_empty(target)
            source.rename(target)
            durable.sync_folder(data.root)
    finally:
        shutil.rmtree(staged.root, ignore_errors=True)
    return aside


def _holds_something(folder: Path) -> bool:
    return folder.exists() and any(not entry.name.endswith(".lock") for entry in folder.iterdir())


def _remove_empty(folder: Path) -> None:
    """Removes what `_holds_something` calls empty. Raises OSError for all else."""
    if folder.exists():
        for lock_file in folder.glob("*.lock"):
            lock_file.unlink()
        folder.rmdir()


def _stage(staged: DataDir, archive: Archive, identity: str) -> None:
    for folder in (staged.root, staged.pki, staged.store):
        folder.mkdir(mode=0o700)
    for name, content in archive.files.items():
        if name.startswith(PKI):
            durable.replace(staged.pki / name.removeprefix(PKI), content)
    if ENCRYPTION_KEY in archive.files:
        durable.replace(staged.encryption_key, archive.files[ENCRYPTION_KEY])
    backup.into_sqlite(staged.database, new_life(archive.snapshot, identity, seal_of(archive)))


def _move_aside(data: DataDir, present: list[Path], now: float) -> Path:
    aside = data.root / datetime.fromtimestamp(now, UTC).strftime("replaced-%Y%m%dT%H%M%S.%fZ")
    aside.mkdir(mode=0o700)
    for folder in present:
        folder.rename(aside / folder.name)
    durable.sync_folder(aside)
    durable.sync_folder(data.root)
    return aside


def new_life(snapshot: Snapshot, identity: str, seal: Seal) -> Snapshot:
    """The objects as a cluster with another identity, which goes on at a much higher revision. Pure."""
    revision = snapshot.next_life
    records = [
        Record(record.key, revision, _with_uid(record, identity, seal)) if record.key == IDENTITY else record
        for record in snapshot.records
    ]
    return Snapshot(records, revision)


def _with_uid(record: Record, uid: str, seal: Seal) -> bytes:
    namespace: dict[str, Any] = msgspec.json.decode(seal.unseal(record.key, record.body))
    namespace["metadata"]["uid"] = uid
    return seal.seal(record.key, msgspec.json.encode(namespace))
