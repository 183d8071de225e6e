"""The journal: one record an instance, on the disk before what it tells is done.

A record is a small file that is replaced whole, so a crash leaves the old one or the new one.
"""

import contextlib
import logging
import os
import shutil
from pathlib import Path

import msgspec

from starlink.api.assignment import Assignment
from starlink.api.meta import ObjectKey
from starlink.api.template import Template
from starlink_nodeagent.user import TaskUser, owner_of

log = logging.getLogger(__name__)

WORK = "work"
"""Within an instance's directory, of which it is the only part that is not the agent's own."""


class Record(msgspec.Struct, kw_only=True):
    """What the agent must remember of one Assignment. Times are epoch seconds.

    `run` counts starts, from 1; 0 means never started. `parked` says that its process was stopped on purpose
    while the agent was away, so that the next start is no restart. `user` is whom it runs as, fixed before it is
    prepared, whatever options a later agent is started with; a prepared one without is of an agent that had one user
    for all.
    """

    uid: str
    namespace: str
    name: str
    task: str
    slot: str
    cluster: str
    resource_version: int
    generation: int
    template: Template
    ports: dict[str, int] = {}
    user: TaskUser | None = None
    prepared: bool = False
    run: int = 0
    parked: bool = False
    restarts: int = 0
    crashes: int = 0
    phase: str = "Pending"
    ready: bool = False
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    signal: str = ""
    started_at: float | None = None
    finished_at: float | None = None
    stopping: bool = False

    @property
    def key(self) -> ObjectKey:
        return ObjectKey(self.namespace, self.name)

    @property
    def finished(self) -> bool:
        return self.phase in ("Stopped", "Exited", "Failed")


def record_of(assignment: Assignment, cluster: str) -> Record:
    """A first record of what a cluster declares."""
    return Record(
        uid=assignment.uid,
        namespace=assignment.metadata.namespace,
        name=assignment.name,
        task=assignment.task,
        slot=assignment.spec.slot,
        cluster=cluster,
        resource_version=int(assignment.metadata.resource_version),
        generation=assignment.metadata.generation,
        template=assignment.spec.template,
    )


class Journal:
    """The records below `folder`, which holds a directory an instance."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)

    def directory(self, uid: str) -> Path:
        return self.folder / uid

    def load(self) -> list[Record]:
        """All records. A directory without a readable one never got as far as a start, and is removed."""
        records = []
        for directory in sorted(path for path in self.folder.iterdir() if path.is_dir()):
            try:
                record = msgspec.json.decode((directory / "record.json").read_bytes(), type=Record)
                if record.user is None and (record.prepared or record.run):
                    with contextlib.suppress(FileNotFoundError):
                        record.user = owner_of(directory / WORK)
                records.append(record)
            except (OSError, msgspec.MsgspecError) as error:
                log.warning("an instance without a record is removed", extra={"uid": directory.name, "why": str(error)})
                shutil.rmtree(directory, ignore_errors=True)
        return records

    def save(self, record: Record) -> None:
        """Durable when it returns. Raises OSError."""
        directory = self.directory(record.uid)
        if not directory.exists():
            directory.mkdir()
            directory.chmod(0o711)
        partial = directory / ".record"
        descriptor = os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, msgspec.json.encode(record))
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        partial.replace(directory / "record.json")

    def forget(self, uid: str) -> None:
        """Removes the record first, then all else of the instance."""
        directory = self.directory(uid)
        with contextlib.suppress(FileNotFoundError):
            (directory / "record.json").unlink()
        shutil.rmtree(directory, ignore_errors=True)
