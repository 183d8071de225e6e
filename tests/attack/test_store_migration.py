"""A database of the first form is moved whole or not at all, whatever happens on the way."""

import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.attack import old_store
from tests.contract.sqlite_stores import NEW, OLD, SECRET, on_disk, seal
from tests.profiles import examples

from starlink.store import sqlite_schema
from starlink.store.base import REVISION_STEP, Change, Event, Key, Record, StoreRefused
from starlink.store.seal import Plain, Seal
from starlink.store.sqlite_file import Durability, SqliteFile
from starlink.store.sqlite_rows import Contents

A, B = Key("g/things", "ns", "a"), Key("/nodes", "", "b")


def contents_of(writes: list[tuple[Key, bytes | None]], kept: int = 1000, first: int = 1) -> Contents:
    """What a store holds after some writes, None for a deletion, of which the log keeps the last ones."""
    records: dict[Key, Record] = {}
    events: list[Event] = []
    for revision, (key, body) in enumerate(writes, start=first):
        previous = records.pop(key, None)
        if body is not None:
            records[key] = Record(key, revision, body)
            events.append(Event(Change.PUT, records[key], previous))
        elif previous is not None:
            events.append(Event(Change.DELETE, Record(key, revision, previous.body), previous))
    left = events[max(0, len(events) - kept) :]
    floor = events[-kept - 1].record.revision if len(events) > kept else 0
    newest = events[-1].record.revision if events else 0
    return Contents(list(records.values()), left, floor, max(newest, floor))


SOME = contents_of([(A, b'{"a":1}'), (B, b'{"b":1}'), (A, b'{"a":2}'), (SECRET, b'{"s":1}'), (B, None)])


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder where syncs cost nothing, where there is one."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else tmp_path) as folder:
        yield Path(folder)


def opened(path: Path, with_seal: Seal | None = None) -> Contents:
    file = SqliteFile(path, 1000, with_seal or Plain(), Durability.FULL, _is_json)
    try:
        return file.open()
    finally:
        file.close()


def _is_json(key: Key, body: bytes) -> bool:
    return body.startswith(b"{") and body.endswith(b"}")


def told(contents: Contents) -> tuple[dict[Key, Record], list[Event], int, int]:
    return {r.key: r for r in contents.records}, list(contents.events), contents.floor, contents.revision


def version(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        found: int = connection.execute("PRAGMA user_version").fetchone()[0]
        return found


@pytest.mark.parametrize("crashed", [False, True])
def test_an_old_database_is_moved_and_kept(tmp_path: Path, crashed: bool) -> None:
    path = tmp_path / "s.db"
    old_store.make(path, SOME, crashed=crashed)
    for _ in range(2):
        assert told(opened(path)) == told(SOME)
    kept = tmp_path / "s.db.schema-1"
    assert {entry.name for entry in tmp_path.iterdir()} == {"s.db", "s.db.lock", "s.db.mark", kept.name}
    assert version(path) == 2 and version(kept) == 1 and stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert told(sqlite_schema.load(kept, Plain())) == told(SOME)


def test_a_second_old_database_gets_a_name_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    for _ in range(2):
        for entry in ("s.db", "s.db.mark"):
            (tmp_path / entry).unlink(missing_ok=True)
        old_store.make(path, SOME)
        opened(path)
    assert version(tmp_path / "s.db.schema-1") == version(tmp_path / "s.db.schema-1.2") == 1


def test_after_a_crash_under_normal_nobody_resumes(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    old_store.make(path, SOME, crashed=True)
    path.with_name("s.db.open").write_text("normal\n")
    moved = opened(path)
    assert told(moved)[0] == told(SOME)[0] and moved.floor == moved.revision >= SOME.revision + REVISION_STEP


_keys = st.builds(Key, st.sampled_from(["g/things", "/nodes", "/secrets"]), st.text("abé"), st.text("xyz", min_size=1))
_bodies = st.none() | st.binary(max_size=3000).map(lambda raw: b"{" + raw + b"}")


@settings(examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    writes=st.lists(st.tuples(_keys, _bodies), max_size=30),
    kept=st.integers(1, 30),
    first=st.integers(1, 2**61),
    crashed=st.booleans(),
    sealed=st.booleans(),
)
def test_what_is_moved_is_what_was_there(
    in_memory: Path, writes: list[tuple[Key, bytes | None]], kept: int, first: int, crashed: bool, sealed: bool
) -> None:
    folder = in_memory / "one"
    shutil.rmtree(folder, ignore_errors=True)
    with_seal = seal() if sealed else Plain()
    contents = contents_of(writes, kept, first)
    old_store.make(folder / "s.db", contents, with_seal, crashed=crashed)
    moved = told(opened(folder / "s.db", with_seal))
    assert moved == told(contents)
    assert told(opened(folder / "s.db", with_seal)) == moved


def test_secrets_stay_sealed_and_what_was_not_is_sealed_in_both(tmp_path: Path) -> None:
    text = b"correct horse battery staple"
    contents = contents_of([(SECRET, b'{"s":"%s"}' % text), (SECRET, b'{"t":"%s"}' % text), (A, b"{}")])
    path = tmp_path / "plain" / "s.db"
    old_store.make(path, contents)
    assert text in on_disk(path)
    assert told(opened(path, seal())) == told(contents)
    assert text not in on_disk(path)
    path = tmp_path / "other" / "s.db"
    old_store.make(path, contents, seal(OLD))
    assert told(opened(path, seal(NEW, OLD))) == told(contents)
    assert text not in on_disk(path) and OLD.id not in on_disk(path).hex()
    assert told(sqlite_schema.load(path.with_name("s.db.schema-1"), seal())) == told(contents)


def test_a_body_that_is_none_is_named_and_the_store_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    old_store.make(path, contents_of([(A, b"{}"), (B, b'{"b":"hidden')]))
    before = path.read_bytes()
    with pytest.raises(StoreRefused, match=r"nodes b at revision 2 .*can't be read.*restore a backup") as refusal:
        opened(path)
    assert "hidden" not in str(refusal.value) and path.read_bytes() == before
    assert not (tmp_path / "s.db.schema-1").exists()


@pytest.mark.parametrize("marker", ["full", "normal"])
def test_a_move_that_fails_late_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marker: str) -> None:
    path = tmp_path / "s.db"
    old_store.make(path, SOME, crashed=True)
    path.with_name("s.db.open").write_text(marker)

    def fail(*_: object) -> None:
        raise PermissionError("no second name here")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "hardlink_to", fail)
        with pytest.raises(PermissionError, match="no second name"):
            opened(path)
    assert told(opened(path))[0] == told(SOME)[0]


def test_a_reader_is_waited_for_and_then_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.db"
    old_store.make(path, SOME)
    monkeypatch.setattr("starlink.store.sqlite_migration.BUSY_SECONDS", 0.01)
    hold = (
        "import sqlite3,sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN'); c.execute('SELECT * FROM floor').fetchall(); print(1, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", hold, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None and reader.stdout.readline()
        with pytest.raises(StoreRefused, match="while another process reads it"):
            opened(path)
        assert version(path) == 1
        reader.communicate()
    assert told(opened(path)) == told(SOME)


class Killer:
    """Ends the process before the nth call into C that a migration makes: each of its steps at the system is one."""

    def __init__(self, step: int) -> None:
        self._left = step

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "c_call" and frame.f_code.co_filename.startswith(str(Path(sqlite_schema.__file__).parent)):
            module = getattr(argument, "__module__", None)
            owner = type(getattr(argument, "__self__", None)).__module__
            if module in ("posix", "sqlite3", "_sqlite3", "fcntl") or owner == "sqlite3":
                self._left -= 1
                if self._left < 0:
                    os._exit(9)


def killed_at(path: Path, step: int, with_seal: Seal) -> bool:
    """Whether a start of its own process was ended at a step, and did not come to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            sys.setprofile(Killer(step))
            opened(path, with_seal)
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.parametrize("sealed", [False, True])
def test_a_move_that_is_killed_at_any_step_is_done_again(in_memory: Path, sealed: bool) -> None:
    """Sealed: what has to be sealed anew besides."""
    origin, with_seal = in_memory / "origin", seal() if sealed else Plain()
    old_store.make(origin / "s.db", SOME, crashed=True)
    versions: set[int] = set()
    for step in range(0, 10_000, 1 if sealed else 3):
        folder = in_memory / "now"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(origin, folder)
        if not killed_at(folder / "s.db", step, with_seal):
            break
        with contextlib.closing(sqlite3.connect(f"{(folder / 's.db').as_uri()}?mode=ro&immutable=1", uri=True)) as look:
            versions.add(look.execute("PRAGMA user_version").fetchone()[0])
        assert told(opened(folder / "s.db", with_seal)) == told(SOME), step
        assert told(opened(folder / "s.db", with_seal)) == told(SOME), step
    assert step > 40 and versions == {1, 2}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a file system can't be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def test_on_a_full_disk_the_old_database_is_left_as_it_is(small_disk: Path) -> None:
    path, ballast = small_disk / "s.db", small_disk / "ballast"
    contents = contents_of([(Key("g/things", "ns", str(number)), b"{%s}" % (b"x" * 2000)) for number in range(100)])
    old_store.make(path, contents)
    before = path.read_bytes()
    free = shutil.disk_usage(small_disk).free
    refusals = 0
    for left in range(4096, 2 * len(before), 32768):
        ballast.write_bytes(b"x" * (free - left))
        try:
            opened(path)
            break
        except (StoreRefused, OSError) as refusal:
            assert "full" in str(refusal) or "No space left" in str(refusal)
            refusals += 1
        finally:
            ballast.unlink()
        assert path.read_bytes() == before and not list(small_disk.glob(".s.db*"))
    assert refusals > 5 and told(opened(path)) == told(contents)
