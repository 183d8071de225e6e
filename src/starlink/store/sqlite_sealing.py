"""Sealing anew what lies in a database."""

import sqlite3

from starlink.store.sqlite_rows import Rows


def reseal(connection: sqlite3.Connection, rows: Rows) -> None:
    """Seals what should be, and leaves nothing of it in free pages, in overwritten ones, or in the write-ahead log.

    Raises StoreRefused, sqlite3.Error.
    """
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("VACUUM")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("BEGIN IMMEDIATE")
    rows.reseal(connection)
    connection.execute("COMMIT")
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
