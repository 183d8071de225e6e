"""Where the objects are kept: in a SQLite file, or in an etcd cluster that several API servers share."""

import argparse
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from starlink.store import sqlite_schema
from starlink.store.base import Key, Store, StoreRefused
from starlink.store.keyfile import FILE_BACK, KeyFile
from starlink.store.seal import AesGcmSeal, Seal
from starlink.store.sqlite import SqliteStore
from starlink.store.sqlite_file import Durability

ETCD_PREFIX = "/starlink"
ETCD_MARK = "etcd.mark"
DATABASE_NOTE = "database.made"
"""Beside the keys, which are replaced together with the store, so that it outlives the store's folder."""
INSTALL_ETCD = "pip install 'starlink-orchestrator[etcd]'"

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of SQLite, and those of etcd in its place."""
    parser.add_argument(
        "--durability",
        choices=[level.value for level in Durability],
        default=Durability.FULL.value,
        help="of SQLite, what an acknowledged write outlives: full, a power cut; normal, a crash of this process",
    )
    etcd = parser.add_argument_group("etcd, in place of SQLite")
    etcd.add_argument("--etcd-endpoints", default="", metavar="URL,URL", help="such as https://a:2379,https://b:2379")
    etcd.add_argument("--etcd-prefix", default=ETCD_PREFIX, help="below which the objects lie [%(default)s]")
    etcd.add_argument("--etcd-ca", type=Path, metavar="FILE", help="the CA of etcd's certificates [the system's]")
    etcd.add_argument("--etcd-cert", type=Path, metavar="FILE", help="the certificate to show to etcd")
    etcd.add_argument("--etcd-key", type=Path, metavar="FILE", help="its key")


def store(arguments: argparse.Namespace) -> Store:
    """The store that the arguments ask for, not open yet. Raises StoreRefused, OSError."""
    database = arguments.data_dir / "store" / "starlink.db"
    keys = database.with_name("encryption.key")
    if not keys.exists():
        _refuse_new_key(keys, database, arguments.data_dir / "store" / ETCD_MARK if arguments.etcd_endpoints else None)
    seal = AesGcmSeal(KeyFile.open(keys))
    if not arguments.etcd_endpoints:
        return SqliteStore(
            database,
            seal=seal,
            durability=Durability(arguments.durability),
            legible=is_object,
            note=arguments.data_dir / "pki" / DATABASE_NOTE,
        )
    if database.exists():
        log.warning("the objects in %s are not served: the store is etcd", database)
    return _etcd(arguments, seal)


def _refuse_new_key(keys: Path, database: Path, mark: Path | None) -> None:
    """Raises StoreRefused when a key was there before: something is sealed in the database, or there is the mark of an
    etcd that was followed, which no server without the key of what is sealed there does."""
    if mark is not None:
        if mark.exists():
            raise StoreRefused(f"{keys} is gone, and with it the key of what is sealed in etcd; {FILE_BACK}")
        return
    sealed_with = sqlite_schema.sealed_with(database)
    if sealed_with is not None:
        raise StoreRefused(
            f"{keys} is gone, and {database} holds what is sealed with its key {sealed_with}; {FILE_BACK}"
        )


class _Metadata(msgspec.Struct):
    """What every object's metadata has, and what reads look into."""

    name: str
    uid: str
    namespace: str = ""
    resource_version: str | None = msgspec.field(default=None, name="resourceVersion")
    labels: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None
    finalizers: list[str] | None = None
    owner_references: list[dict[str, Any]] | None = msgspec.field(default=None, name="ownerReferences")


class _Object(msgspec.Struct):
    api_version: str = msgspec.field(name="apiVersion")
    kind: str
    metadata: _Metadata


_object = msgspec.json.Decoder(_Object)


def is_object(key: Key, body: bytes) -> bool:
    """Whether the body is JSON of the object that lies under the key, as all that is stored is. Pure."""
    try:
        found = _object.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    metadata = found.metadata
    named = bool(found.api_version and found.kind and metadata.uid)
    return named and (metadata.namespace, metadata.name) == (key.namespace, key.name)


def check_etcd(option: str) -> None:
    """Raises StoreRefused when the modules that `option` needs are not installed."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what went wrong is told in the log, in its form
    try:
        import starlink.store.etcd  # noqa: F401
    except ModuleNotFoundError as error:
        raise StoreRefused(f"{option} needs the module {error.name}; install it: {INSTALL_ETCD}") from None


def endpoints(given: str) -> Sequence[str]:
    """From one text with commas between."""
    return [text for text in given.split(",") if text.strip()]


def prefix(given: str) -> str:
    """With one slash at its end."""
    return given.rstrip("/") + "/"


def _etcd(arguments: argparse.Namespace, seal: Seal) -> Store:
    check_etcd("--etcd-endpoints")
    from starlink.store.etcd import EtcdStore

    try:
        return EtcdStore(
            endpoints(arguments.etcd_endpoints),
            prefix=prefix(arguments.etcd_prefix),
            ca=arguments.etcd_ca,
            cert=arguments.etcd_cert,
            key=arguments.etcd_key,
            seal=seal,
            mark=arguments.data_dir / "store" / ETCD_MARK,
            legible=is_object,
        )
    except ValueError as error:
        raise StoreRefused(f"--etcd-endpoints {arguments.etcd_endpoints}: {error}") from None
