"""The journal and its records: what is written lasts, what can't be written is kept, and what can't be read stays."""

import asyncio
import errno
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import soon

from starlink.api.assignment import Assignment, AssignmentSpec, AssignmentStatus, Endpoint
from starlink.api.meta import Metadata
from starlink.api.template import Template
from starlink.files import durable
from starlink_nodeagent.journal.journal import Journal
from starlink_nodeagent.journal.record import Record, decode, encode, record_of
from starlink_nodeagent.layout import is_uid

UID = "0d9ba4e5-5c2a-4a0c-9f0e-000000000001"


def record(uid: str = UID) -> Record:
    return Record(
        uid=uid,
        namespace="ns",
        name="n",
        task="t",
        slot="0",
        cluster="c",
        resource_version=1,
        generation=1,
        template=Template(),
    )


class Disk:
    """Takes writes, or refuses them with an error."""

    def __init__(self) -> None:
        self.error = 0
        self.writes = 0

    def write(self, path: Path, content: bytes) -> None:
        if self.error:
            raise OSError(self.error, "as the test says")
        durable.replace(path, content)
        self.writes += 1


async def test_the_journal_gives_back_what_was_saved(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    saved = record()
    saved.ports, saved.run, saved.phase = {"http": 1}, 3, "Running"
    await journal.save(saved)
    assert Journal(tmp_path / "j").load().records == [saved]
    assert (tmp_path / "j" / UID / "record.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "j" / UID).stat().st_mode & 0o777 == 0o711
    await journal.forget(UID)
    assert [*(tmp_path / "j").iterdir()] == []


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENOMEM])
async def test_what_cannot_be_written_is_written_later_as_it_is_by_then(tmp_path: Path, error: int) -> None:
    disk = Disk()
    journal = Journal(tmp_path, disk.write)
    disk.error = error
    noted = record()
    journal.note(noted)
    noted.run = 1
    with pytest.raises(OSError, match="as the test says"):
        await journal.save(noted)
    noted.run = 2
    journal.note(noted)
    disk.error = 0
    await soon(lambda: disk.writes, "it is written")
    assert journal.load().records == [noted]


async def test_what_is_forgotten_is_not_written_any_more(tmp_path: Path) -> None:
    disk = Disk()
    journal = Journal(tmp_path, disk.write)
    disk.error = errno.ENOSPC
    journal.note(record())
    await asyncio.sleep(0)
    disk.error = 0
    await journal.forget(UID)
    other = record("0d9ba4e5-5c2a-4a0c-9f0e-000000000002")
    journal.note(other)
    await soon(lambda: disk.writes, "the other is written")
    journal.close()
    assert journal.load().records == [other]


async def test_what_is_unwritten_at_the_end_is_written_once_more(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.note(record())
    journal.close()
    assert journal.load().records == [record()]


@given(st.integers(0, 400))
def test_a_torn_write_leaves_the_old_record(cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder))
        asyncio.run(journal.save(record()))
        whole = (Path(folder) / UID / "record.json").read_bytes()
        (Path(folder) / UID / ".record.json.7").write_bytes(whole[:cut])  # killed before the rename
        assert journal.load().records == [record()]


def _file(place: Path) -> None:
    place.write_text("a file")


def _link(place: Path) -> None:
    place.symlink_to("/etc")


def _folder_as_record(place: Path) -> None:
    (place / "record.json").mkdir(parents=True)


def _fifo_as_record(place: Path) -> None:
    import os

    place.mkdir()
    os.mkfifo(place / "record.json")


def _empty(place: Path) -> None:
    place.mkdir()


def _deep(place: Path) -> None:
    import os

    place.mkdir()
    here = os.open(place, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


@pytest.mark.parametrize("make", [_file, _link, _folder_as_record, _fifo_as_record, _empty, _deep])
async def test_what_cannot_be_read_stops_no_load_and_stays(tmp_path: Path, make: Callable[[Path], None]) -> None:
    journal = Journal(tmp_path)
    await journal.save(record())
    place = tmp_path / "0d9ba4e5-5c2a-4a0c-9f0e-000000000009"
    make(place)
    (tmp_path / "lost+found").mkdir()
    loaded = journal.load()
    assert (loaded.records, loaded.unknown) == ([record()], [place.name])
    assert place.is_symlink() or place.exists()
    await journal.forget(place.name)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([UID, "lost+found"])


@pytest.mark.parametrize(
    "changes",
    [
        {"uid": "0d9ba4e5-5c2a-4a0c-9f0e-0000000000ff"}, {"uid": "../x"}, {"run": -1}, {"restarts": -1}, {"crashes": -1},
        {"name": "a/b"}, {"namespace": ".."}, {"task": "../../etc"}, {"slot": "/"}, {"ports": {"a": 0}},
        {"ports": {"a": 70000}}, {"phase": "Flying"}, {"started_at": -1}, {"run": "1"}, {"resource_version": -5},
    ],
)  # fmt: skip
def test_nonsense_counts_as_unreadable(changes: dict[str, Any]) -> None:
    whole = msgspec.to_builtins(record())
    with pytest.raises(ValueError):
        decode(msgspec.json.encode(whole | changes), UID)


def test_fields_of_a_newer_agent_are_no_nonsense() -> None:
    whole = msgspec.to_builtins(record())
    assert decode(msgspec.json.encode(whole | {"colour": "red"}), UID) == record()


@given(st.data())
def test_a_changed_byte_is_seen(data: st.DataObject) -> None:
    """One within the checksum's own name leaves the rest as it was."""
    whole = bytearray(encode(record()))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    try:
        found = decode(bytes(whole), UID)
    except ValueError:
        return
    assert found == record()


@pytest.mark.parametrize("checked", [True, False], ids=["checksum", "none"])
def test_a_record_cut_short_is_refused_wherever_it_was_cut(checked: bool) -> None:
    whole = encode(record()) if checked else msgspec.json.encode(record())
    assert decode(whole, UID) == record()
    for end in range(len(whole)):
        with pytest.raises(ValueError):
            decode(whole[:end], UID)


@pytest.mark.parametrize(
    ("text", "good"), [(UID, True), ("..", False), (f"{UID}x", False), ("", False), ("a/b", False)]
)
def test_a_uid_is_safe_as_a_name(text: str, good: bool) -> None:
    assert is_uid(text) is good


def test_a_record_is_made_again_of_what_the_status_says() -> None:
    spec = AssignmentSpec(server="s", slot="0", attempt=1, template=Template())
    status = AssignmentStatus(phase="Running", restarts=4, endpoints=(Endpoint(name="a", address="h", port=20001),))
    made = Assignment(
        metadata=Metadata(name="n", namespace="ns", uid=UID, resource_version="5"), spec=spec, status=status
    )
    again = record_of(made, "c")
    assert (again.ports, again.restarts, again.phase, again.prepared) == ({"a": 20001}, 4, "Pending", False)
    over = msgspec.structs.replace(made, status=AssignmentStatus(phase="Exited", exit_code=0))
    assert (record_of(over, "c").finished, record_of(over, "c").exit_code) == (True, 0)
