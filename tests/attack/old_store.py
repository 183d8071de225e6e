"""Databases as the first form of the store left them. Used by the tests that move them."""

import contextlib
import sqlite3
from pathlib import Path

from starlink.store.seal import Plain, Seal
from starlink.store.sqlite_rows import Contents
from starlink.store.sqlite_schema import APPLICATION_ID

_TABLES = """
CREATE TABLE object (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    revision INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (resource, namespace, name)
) WITHOUT ROWID;
CREATE TABLE log (
    revision INTEGER PRIMARY KEY, change TEXT NOT NULL,
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,
    previous_revision INTEGER NOT NULL, previous BLOB
);
CREATE TABLE floor (revision INTEGER NOT NULL);
"""


def make(path: Path, contents: Contents, seal: Seal | None = None, *, crashed: bool = False) -> None:
    """A database of schema 1. After a crash its rows are in the write-ahead log only, and the marker says so."""
    seal = seal or Plain()
    path.parent.mkdir(parents=True, exist_ok=True)
    origin = path.with_name("origin.db") if crashed else path
    with contextlib.closing(sqlite3.connect(origin, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN;{_TABLES}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("BEGIN")
        connection.execute("INSERT INTO floor VALUES (?)", (contents.floor,))
        for record in contents.records:
            row = (*record.key, record.revision, seal.seal(record.key, record.body))
            connection.execute("INSERT INTO object VALUES (?, ?, ?, ?, ?)", row)
        for event in contents.events:
            key, before = event.record.key, event.previous
            previous = seal.seal(key, before.body) if before else None
            body = seal.seal(key, event.record.body)
            logged = (event.record.revision, event.change, *key, body, before.revision if before else 0, previous)
            connection.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?)", logged)
        connection.execute("COMMIT")
        if crashed:
            for ending in ("", "-wal"):
                (path.parent / f"{path.name}{ending}").write_bytes(origin.with_name(f"origin.db{ending}").read_bytes())
            path.with_name(path.name + ".open").write_text("full\n")
    if crashed:
        origin.unlink()
    path.chmod(0o600)
