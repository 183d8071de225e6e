"""What is said to SQLite about rows, for each form that a database may have."""

from typing import NamedTuple


class Statements(NamedTuple):
    """Reads give the columns of `sqlite_rows` in their order; the last two store a body that is sealed anew."""

    objects: str
    log: str
    floor: str
    reseal_object: str
    reseal_event: str


SUMMED = Statements(
    "SELECT resource, namespace, name, revision, body, checksum FROM object",
    "SELECT resource, namespace, name, revision, change, body, previous_revision, previous, checksum FROM log "
    "ORDER BY revision",
    "SELECT revision, checksum FROM floor",
    "UPDATE object SET body = :body, checksum = :checksum "
    "WHERE resource = :resource AND namespace = :namespace AND name = :name",
    "UPDATE log SET body = :body, previous = :previous, checksum = :checksum WHERE revision = :revision",
)
UNSUMMED = Statements(
    "SELECT resource, namespace, name, revision, body, NULL FROM object",
    "SELECT resource, namespace, name, revision, change, body, previous_revision, previous, NULL FROM log "
    "ORDER BY revision",
    "SELECT revision, NULL FROM floor",
    "UPDATE object SET body = :body WHERE resource = :resource AND namespace = :namespace AND name = :name",
    "UPDATE log SET body = :body, previous = :previous WHERE revision = :revision",
)
"""The first form, which has no checksums."""

SEALED = (
    "SELECT body FROM object WHERE substr(body, 1, :length) = :mark UNION ALL "
    "SELECT body FROM log WHERE substr(body, 1, :length) = :mark UNION ALL "
    "SELECT previous FROM log WHERE substr(previous, 1, :length) = :mark LIMIT 1"
)
"""One body that begins with a mark, in any form."""

PUT = "INSERT INTO object (resource, namespace, name, revision, body, checksum) VALUES"
OR_CHANGE = (
    "ON CONFLICT (resource, namespace, name) DO UPDATE "
    "SET revision = excluded.revision, body = excluded.body, checksum = excluded.checksum"
)
APPEND = (
    "INSERT INTO log (resource, namespace, name, revision, change, body, previous_revision, previous, checksum) VALUES"
)
DELETE = "DELETE FROM object WHERE resource = ? AND namespace = ? AND name = ?"
BEGIN_LOG = "INSERT INTO floor (revision, checksum) VALUES (?, ?)"
RAISE_FLOOR = "UPDATE floor SET revision = ?, checksum = ?"
FORGET = "DELETE FROM log WHERE revision <= ?"
LAST_TO_FORGET = (
    "SELECT max(revision) FROM ("
    "SELECT revision, row_number() OVER newest AS number, sum(length(body)) OVER newest AS bytes "
    "FROM log WINDOW newest AS (ORDER BY revision DESC)"
    ") WHERE number > ? OR (number > 1 AND bytes > ?)"
)
"""The newest event that is one too many, or whose body is, counted from the newest of all, which stays."""
