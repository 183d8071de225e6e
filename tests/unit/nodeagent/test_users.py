"""What the agent's options say of tasks' users."""

import os
from pathlib import Path

import pytest
from tests.unit.nodeagent.test_decisions import record

from starlink_nodeagent.failures.failure import NotYet
from starlink_nodeagent.journal.journal import Journal
from starlink_nodeagent.users import claims
from starlink_nodeagent.users import policy as users
from starlink_nodeagent.users.policy import UnknownUser, Users
from starlink_nodeagent.users.uids import DEFAULTS, BadRange, Range
from starlink_nodeagent.users.user import TaskUser

NUMBERS = Range(1_000, 1_002)


@pytest.fixture
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the range, and nothing locked."""
    monkeypatch.setattr(claims, "take", lambda wanted, _: wanted[0])
    monkeypatch.setattr(claims, "foreign", lambda _: ())
    return tmp_path / "task-uids"


def as_user(monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)


def test_as_root_each_task_has_a_user_and_the_range_is_kept(note: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, 0)
    assert users.users(None, None, note) == Users(DEFAULTS[0])
    assert note.read_text() == f"{DEFAULTS[0]}\n" and note.stat().st_mode & 0o777 == 0o600
    note.write_text(f"{DEFAULTS[2]}\n")
    assert users.users(None, None, note) == Users(DEFAULTS[2])
    note.write_text("what is this\n")
    assert users.users(None, "70000-70010", note) == Users(Range(70_000, 70_010))


def test_a_range_that_another_agent_has_is_passed_over_or_refused(note: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, 0)
    monkeypatch.setattr(claims, "take", lambda wanted, _: DEFAULTS[1] if DEFAULTS[1] in wanted else None)
    assert users.users(None, None, note) == Users(DEFAULTS[1])
    with pytest.raises(BadRange, match=r"--task-uids 70000-70010: the agent of .* has some of them"):
        users.users(None, "70000-70010", note)


def test_as_root_a_named_user_is_all_tasks(note: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, 0)
    found = users.users("root", None, note)
    assert found.shared is not None and found.shared.uid == 0 and not found.shared.alone
    assert found.of("a", "b", {}) == found.of("c", "d", {}) and str(found) == "tasks run as root"
    with pytest.raises(UnknownUser, match="--task-user no-such-user: there is no such user"):
        users.users("no-such-user", None, note)
    with pytest.raises(UnknownUser, match="give one of them, not both"):
        users.users("root", "5-9", note)


def test_without_root_all_run_as_oneself(note: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, 4_000_000)
    found = users.users(None, None, note)
    assert found.shared == TaskUser("4000000", 4_000_000, os.getegid()) and found.shared.popen() == {}
    with pytest.raises(UnknownUser, match="--task-user root: only root"):
        users.users("root", None, note)
    with pytest.raises(BadRange, match="--task-uids 70000-70010: only root"):
        users.users(None, "70000-70010", note)


def test_more_tasks_than_numbers_are_told() -> None:
    pool = Users(NUMBERS)
    taken: dict[int, tuple[str, str]] = {}
    for name in ("x", "y"):
        user = pool.of("ns", name, taken)
        assert user == TaskUser(str(user.uid), user.uid, user.uid, alone=True) and user.alone
        taken[user.uid] = ("ns", name)
    assert pool.of("ns", "x", taken).uid in taken
    with pytest.raises(NotYet, match="each of the 2 users 1000-1002 is another task's on this server"):
        pool.of("ns", "z", taken)


async def test_a_record_keeps_its_user_and_one_of_an_earlier_agent_has_the_owner_of_its_directory(
    tmp_path: Path,
) -> None:
    journal = Journal(tmp_path / "j")
    own, former = (record(f"0d9ba4e5-5c2a-4a0c-9f0e-00000000000{number}") for number in (1, 2))
    own.user, own.prepared = TaskUser("1001", 1_001, 1_001, alone=True), True
    former.prepared, former.run = True, 1
    for each in (own, former):
        await journal.save(each)
        (journal.directory(each.uid) / "work").mkdir()
    if os.geteuid() == 0:
        os.chown(journal.directory(former.uid) / "work", 65_534, 65_534)
    found = {each.uid: each.user for each in journal.load().records}
    assert found[own.uid] == own.user
    owner = (journal.directory(former.uid) / "work").stat().st_uid
    kept = found[former.uid]
    assert kept is not None and kept.uid == owner and not kept.alone
