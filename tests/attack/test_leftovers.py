"""What the kernel keeps of a user's number when its processes have ended: nothing of it meets the next Task."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.attack.instances import NUMBERS, PYTHON, bench, needs_root
from tests.conftest import soon

from starlink_nodeagent.users import leftovers

pytestmark = needs_root
LEAVE = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
ids = {
    "shm": libc.shmget(0, 4096, 0o1666), "msg": libc.msgget(0, 0o1666), "sem": libc.semget(0, 1, 0o1666),
    "key": libc.syscall(248 if os.uname().machine == "x86_64" else 217, b"user", b"starlink-test", b"secret", 6, -4),
}
os.mkdir(sys.argv[1])
for name in ("file", "shut"):
    open(os.path.join(sys.argv[1], name), "w").write("secret")
open(sys.argv[1] + ".sem", "w").write("secret")
os.chmod(sys.argv[1], 0)
print(ids, flush=True)
"""
SEARCH = """
import ctypes, os
keyctl = 250 if os.uname().machine == "x86_64" else 219
raise SystemExit(ctypes.CDLL(None).syscall(keyctl, 10, -4, b"user", b"starlink-test", 0) < 0)
"""
FOREVER = "exec sleep 100000"


def objects_of(uid: int) -> list[str]:
    """The kinds of which the user has one, by the kernel's tables."""
    found = []
    for kind in ("shm", "msg", "sem"):
        header, *rows = (line.split() for line in (Path("/proc/sysvipc") / kind).read_text().splitlines())
        found += [kind for row in rows if row[header.index("uid")] == str(uid)]
    return found


def has_key(uid: int) -> bool:
    """Whether a process of the user finds the key in its user's keyring."""
    asked = [PYTHON, "-c", SEARCH]
    return subprocess.run(asked, user=uid, group=uid, extra_groups=[], check=False).returncode == 0


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A name in /dev/shm of this test's own, and a folder of queues."""
    queues = tmp_path / "mqueue"
    queues.mkdir()
    monkeypatch.setattr(leftovers, "FOLDERS", (Path("/dev/shm"), queues, tmp_path / "none"))
    name = Path("/dev/shm") / f"starlink-test-{os.getpid()}"
    yield name
    subprocess.run(["rm", "-rf", name, f"{name}.sem"], check=True)


async def test_nothing_of_a_task_outlives_it(tmp_path: Path, shared: Path) -> None:
    queue = tmp_path / "mqueue" / "queue"
    async with bench(tmp_path) as site:
        kept = await site.run("kept", f'{PYTHON} -c "$LEAVE" {shared}-kept; {FOREVER}', env=[_leave()])
        gone = await site.run("gone", f'{PYTHON} -c "$LEAVE" {shared}; {FOREVER}', env=[_leave()])
        uids = site.uid(kept), site.uid(gone)
        for uid in uids:
            await soon(lambda uid=uid: sorted(objects_of(uid)) == ["msg", "sem", "shm"], "they are there")  # type: ignore[misc]
        for name in (shared, Path(f"{shared}-kept")):
            await soon(Path(f"{name}.sem").exists, "files are there")
        queue.touch()
        os.chown(queue, uids[1], uids[1])
        had = [has_key(uid) for uid in uids]
        await site.end(gone)
        assert objects_of(uids[1]) == [] and not has_key(uids[1]) and not queue.exists()
        assert not shared.exists() and not Path(f"{shared}.sem").exists()
        assert sorted(objects_of(uids[0])) == ["msg", "sem", "shm"] and has_key(uids[0]) == had[0] == had[1]
        assert Path(f"{shared}-kept.sem").exists(), "another task's stays"
        await site.end(kept)
        assert not any(map(objects_of, uids)) and not Path(f"{shared}-kept.sem").exists()


def _leave() -> dict[str, str]:
    return {"name": "LEAVE", "value": LEAVE}


async def test_a_number_is_clean_before_its_first_task(tmp_path: Path, shared: Path) -> None:
    """What an agent without an instance has left, since it was killed."""
    async with bench(tmp_path) as site:
        record = site.record("first", command=["sh", "-c", FOREVER])
        uid = site.host.users.of(record.namespace, record.task, {}).uid
        done = subprocess.run([PYTHON, "-c", LEAVE, shared], user=uid, group=uid, extra_groups=[], check=True)
        assert done.returncode == 0 and len(objects_of(uid)) == 3
        site.begin(record)
        await soon(lambda: record.phase == "Running", "it runs")
        assert objects_of(uid) == [] and not has_key(uid) and not shared.exists()


def test_what_is_another_users_stays(shared: Path) -> None:
    uid, other = NUMBERS.first + 10, NUMBERS.first + 11
    subprocess.run([PYTHON, "-c", LEAVE, shared], user=other, group=other, extra_groups=[], check=True)
    try:
        leftovers.remove(uid)
        assert len(objects_of(other)) == 3 and shared.exists()
    finally:
        leftovers.remove(other)
    assert objects_of(other) == [] and not shared.exists()
