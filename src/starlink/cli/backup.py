"""`starlink backup`: everything that a standalone StarLink could not make again, in one file."""

import asyncio
import time
from pathlib import Path

import click

import starlink
from starlink.api.timestamp import format_time
from starlink.cli import etcd_copy, swap
from starlink.cli.archive import ENCRYPTION_KEY, PKI, Archive, BadArchive, write
from starlink.cli.cluster import data_dir_of
from starlink.cli.datadir import DataDir
from starlink.cli.earlier import settings_of
from starlink.cli.etcd import SQLITE
from starlink.cli.faults import os_error
from starlink.cli.settings import BadSettings
from starlink.cli.tenant import stranger
from starlink.store import backup
from starlink.store.base import StoreRefused, StoreUnavailable
from starlink.store.keyfile import KeyFile
from starlink.store.seal import AesGcmSeal, Plain, Seal


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.pass_context
def command(ctx: click.Context, file: Path | None) -> None:
    """Save all objects, certificates and keys in FILE, while StarLink runs or not.

    Without FILE it is starlink-TIME.tar.gz, here. A FILE that is there is replaced once the new one is whole. What
    tasks keep on their servers, logs and artifacts are not in it.
    """
    data = data_dir_of(ctx)
    if words := stranger(data):
        raise click.ClickException(f"no backup was made: {words}")
    try:
        archive = take(data, time.time())
        check_seals(archive)
        file = file or Path(f"starlink-{archive.created.replace('-', '').replace(':', '')}.tar.gz")
        write(file, archive)
    except (StoreRefused, StoreUnavailable, BadArchive, BadSettings) as error:
        raise click.ClickException(f"no backup was made: {error}") from None
    except OSError as error:
        raise click.ClickException(f"no backup was made: {os_error(error)}") from None
    snapshot = archive.snapshot
    click.echo(f"{file} holds {len(snapshot.records)} objects as of resourceVersion {snapshot.revision}")
    click.echo("and the keys of this StarLink: whoever reads it can do everything here; keep it safe")


def take(data: DataDir, now: float) -> Archive:
    """What is in the data dir at this moment, or in its etcd. Raises StoreRefused, StoreUnavailable, BadSettings,
    OSError."""
    if swap.is_unfinished(data.root):
        raise StoreRefused(
            f"a restore into {data.root} was cut short; run it again, or `{data.command('up')}`, which completes it"
        )
    # The keys first: one that is added later seals nothing of this.
    files = {PKI + path.name: path.read_bytes() for path in sorted(data.pki.glob("[!.]*")) if path.is_file()}
    if data.encryption_key.exists():
        files[ENCRYPTION_KEY] = data.encryption_key.read_bytes()
    settings = settings_of(data)
    etcd = settings.etcd if settings else SQLITE
    snapshot = asyncio.run(etcd_copy.taken(etcd)) if etcd.endpoints else backup.of_sqlite(data.database)
    return Archive(snapshot, files, format_time(now), starlink.__version__)


def check_seals(archive: Archive) -> None:
    """Raises StoreRefused when the keys in it do not open what is sealed in it."""
    seal = seal_of(archive)
    for record in archive.snapshot.records:
        seal.unseal(record.key, record.body)


def seal_of(archive: Archive) -> Seal:
    """What opens its sealed objects. Raises StoreRefused."""
    content = archive.files.get(ENCRYPTION_KEY)
    return Plain() if content is None else AesGcmSeal(KeyFile.parse(content, Path(ENCRYPTION_KEY)))
