"""The journal: one record an instance, in a directory of its own.

Two things are written, and they bind differently. That a run is about to start must be on the disk before there is a
process: `save` says when it is, and whoever starts waits for it. All else only tells what happened, and whoever acts
never waits for it: `note` takes it, and it is written as soon as the disk takes it, the latest state only. What a
crash takes of the latter is found again: ends lie in the run's directory, runs in /proc, wishes in the API.

A record is replaced whole and synced with its folder, so that a crash of the agent or of the machine leaves the old one
or the new one. Files are written in threads of the journal's own: a disk that hangs holds up starts and nothing else.
"""

import asyncio
import contextlib
import errno
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from starlink.backoff import Pauses
from starlink.files import durable, regular, tree
from starlink.foreign import said
from starlink_nodeagent import threads
from starlink_nodeagent.journal.record import Record, decode, encode
from starlink_nodeagent.layout import RECORD, REMOVED, UNREADABLE, WORK, is_uid
from starlink_nodeagent.users.user import owner_of

log = logging.getLogger(__name__)

PAUSES = Pauses(0.2, 2.0)
_THREADS = 4
_LARGEST = 16 * 1024 * 1024  # an object of 1.5 MB, each character of it escaped
_OPEN_TO_PASS = 0o711

Write = Callable[[Path, bytes], None]
"""Replaces a file whole. Raises OSError."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The records that can be read, and the UIDs of directories without one."""

    records: list[Record]
    unknown: list[str]


class Journal:
    """The records below `folder`."""

    def __init__(self, folder: Path, write: Write = durable.replace) -> None:
        self.folder = folder
        self._write = write
        self._threads = ThreadPoolExecutor(_THREADS, "journal")
        self._unwritten: dict[str, Record] = {}
        self._unreadable: set[str] = set()
        self._locks: dict[str, asyncio.Lock] = {}
        self._writing: asyncio.Task[None] | None = None
        _make(folder)

    def directory(self, uid: str) -> Path:
        return self.folder / uid

    def has(self, uid: str) -> bool:
        """Whether an instance of the Assignment lies here, whatever is known of it."""
        return self.directory(uid).exists()

    def make_directory(self, uid: str) -> None:
        """Raises OSError."""
        _make(self.directory(uid))

    def load(self) -> Loaded:
        """What an earlier agent left. What can't be read stays where it is: something of it may live. Raises OSError
        when the folder can't be listed."""
        loaded = Loaded([], [])
        for directory in sorted(self.folder.iterdir()):
            if not is_uid(directory.name):
                log.warning("this is no instance's directory, and is left alone", extra={"path": str(directory)})
                continue
            try:
                loaded.records.append(_read(directory))
            except (OSError, ValueError, RecursionError) as error:
                loaded.unknown.append(directory.name)
                if not _is_half_removed(directory):
                    extra = {"uid": directory.name, "why": said(error)}
                    log.warning("the record of an instance can't be read; it is kept until that is known", extra=extra)
        self._unreadable.update(loaded.unknown)
        return loaded

    def is_half_removed(self, uid: str) -> bool:
        """Whether an agent went while it removed the instance, which then goes on, or before it had made anything."""
        return _is_half_removed(self.directory(uid))

    async def make_way(self, uid: str) -> None:
        """Before anything of an instance is made: what could not be read in its place is kept under another name, for
        a person to look at. A record makes way for itself. Raises OSError."""
        if uid in self._unreadable:
            async with self._lock(uid):
                await self._in_thread(self._set_aside, uid)

    async def save(self, record: Record) -> None:
        """On the disk when it returns. Raises OSError."""
        async with self._lock(record.uid):
            await self._in_thread(self._put, record.uid, encode(record))

    def note(self, record: Record) -> None:
        """Written when the disk takes it, as it is by then. Never waits."""
        self._unwritten[record.uid] = record
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_all())

    async def forget(self, uid: str) -> None:
        """Marks the record as removed first, and then removes all of the instance, the mark last. Raises OSError when
        something is left."""
        async with self._lock(uid):
            self._unwritten.pop(uid, None)
            self._unreadable.discard(uid)
            await self._in_thread(_mark_removed, self.directory(uid))
        self._locks.pop(uid, None)
        await threads.run(_remove_all, self.directory(uid))

    def close(self) -> None:
        """Writes once more what is unwritten, and what can't be written is left to the next agent to find."""
        if self._writing is not None:
            self._writing.cancel()
        self._threads.shutdown()
        for record in self._unwritten.values():
            try:
                self._put(record.uid, encode(record))
            except OSError as error:
                log.warning("a record could not be written: %s", error, extra={"assignment": str(record.key)})
        self._unwritten.clear()

    async def _write_all(self) -> None:
        """Writes until nothing is unwritten."""
        pauses = iter(PAUSES)
        try:
            while self._unwritten:
                errors = await asyncio.gather(*map(self._write_latest, [*self._unwritten]))
                if not any(errors):
                    pauses = iter(PAUSES)
                    continue
                log.warning("records could not be written and are tried again: %s", next(filter(None, errors)))
                await asyncio.sleep(next(pauses))
        finally:
            self._writing = None

    async def _write_latest(self, uid: str) -> OSError | None:
        """Writes what is unwritten of one instance; gives why it could not."""
        async with self._lock(uid):
            record = self._unwritten.pop(uid, None)
            if record is None:
                return None
            try:
                await self._in_thread(self._put, uid, encode(record))
            except OSError as error:
                self._unwritten.setdefault(uid, record)
                return error
            return None

    def _lock(self, uid: str) -> asyncio.Lock:
        """Held while a record is written, so that none is overtaken by an older one."""
        return self._locks.setdefault(uid, asyncio.Lock())

    async def _in_thread(self, act: Callable[..., None], *arguments: object) -> None:
        """Raises OSError, also where the machine has no thread to give."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, act, *arguments)
        except (RuntimeError, MemoryError) as error:
            raise OSError(errno.EAGAIN, str(error)) from error

    def _put(self, uid: str, content: bytes) -> None:
        self._set_aside(uid)
        self.make_directory(uid)
        self._write(self.directory(uid) / RECORD, content)

    def _set_aside(self, uid: str) -> None:
        if uid in self._unreadable:
            _set_aside(self.directory(uid))
            self._unreadable.discard(uid)


def _read(directory: Path) -> Record:
    """Raises OSError, and ValueError for what no agent wrote."""
    if directory.is_symlink():
        raise ValueError("it is a link, where an agent makes a directory")
    content = regular.read_head(directory / RECORD, _LARGEST)
    if content is None:
        raise ValueError(f"it has no file {RECORD}")
    record = decode(content, directory.name)
    if record.user is None and (record.prepared or record.run):
        with contextlib.suppress(FileNotFoundError):
            record.user = owner_of(directory / WORK)
    return record


def _make(directory: Path) -> None:
    """A directory that others may pass through and not list."""
    with contextlib.suppress(FileExistsError):
        directory.mkdir(parents=True)
    if directory.stat().st_mode & 0o777 != _OPEN_TO_PASS:  # asked first: a file system may be read-only
        directory.chmod(_OPEN_TO_PASS)


def _remove(path: Path) -> None:
    """Raises OSError, but not for what is not there."""
    with contextlib.suppress(NotADirectoryError):
        tree.remove(path)


def _is_half_removed(directory: Path) -> bool:
    """Whether it holds a mark in place of a record, or nothing at all."""
    try:
        names = {path.name for path in directory.iterdir()}
    except OSError:
        return False
    return not directory.is_symlink() and (not names or (REMOVED in names and RECORD not in names))


def _mark_removed(directory: Path) -> None:
    if directory.is_symlink() or not os.path.lexists(directory / RECORD):
        return
    _remove(directory / REMOVED)
    (directory / RECORD).rename(directory / REMOVED)


def _remove_all(directory: Path) -> None:
    """Raises OSError, but not for what is not there."""
    if not directory.is_symlink() and directory.is_dir():
        for path in sorted(directory.iterdir(), key=lambda path: path.name == REMOVED):
            _remove(path)
    _remove(directory)


def _set_aside(directory: Path) -> None:
    if not os.path.lexists(directory):
        return
    if directory.is_symlink() or not directory.is_dir():
        directory.rename(directory.with_name(f"{directory.name}.unreadable"))
        return
    if os.path.lexists(directory / RECORD):
        _remove(directory / UNREADABLE)
        (directory / RECORD).rename(directory / UNREADABLE)
