"""A task against what is recorded of the end of its run."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from tests.attack.instances import bench, needs_root

from starlink_nodeagent.runtimes.supervision import supervisor

pytestmark = needs_root


async def test_how_a_run_ended_is_not_the_tasks_to_write(tmp_path: Path) -> None:
    """Neither in its run's directory, nor by a descriptor that it inherits."""
    async with bench(tmp_path) as site:
        script = (
            "ls /proc/self/fd > fds; for f in ../runs/1/exit ../runs/1/x ../runs/x ../x; do echo 0 > $f; done 2>/dev/null; "
            'rm -rf ../runs/1 2>/dev/null; for fd in 0 3 4 5 6 7 8 9; do eval "echo 0 >&$fd"; done 2>/dev/null; '
            "mv ../runs ../gone 2>/dev/null; exit 41"
        )
        instance = site.begin(site.record("liar", command=["sh", "-c", script], restart={"policy": "Never"}))
        await instance.over()
        assert (instance.record.phase, instance.record.exit_code) == ("Exited", 41)
        directory = site.work(instance).parent
        left = {path.name for path in directory.iterdir() if not path.name.startswith(".record")}
        assert left == {"record.json", "runs", "work", "logs"}
        assert (site.work(instance) / "fds").read_text().split() == ["0", "1", "2", "3"], "3 is ls's own"
        status = (directory / "runs" / "1" / "exit").stat()
        assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o600)


@pytest.mark.parametrize(
    "lie", ["fifo", "link to a device", "20 digits", "300", "minus", "a folder", "superscript", "a link", "cut short"]
)
async def test_an_exit_file_within_reach_may_hold_anything(tmp_path: Path, lie: str) -> None:
    """As without root, or where an earlier agent left it to the task."""
    path = tmp_path / "exit"
    match lie:
        case "fifo":
            os.mkfifo(path)
        case "link to a device":
            path.symlink_to("/dev/zero")
        case "20 digits":
            path.write_text("1" * 20 + "\n")
        case "300":
            path.write_text("300\n")
        case "minus":
            path.write_text("-1\n")
        case "a folder":
            path.mkdir()
        case "superscript":
            path.write_text("²\n")
        case "a link":
            (tmp_path / "other").write_text("0\n")
            path.symlink_to(tmp_path / "other")
        case _:
            path.write_text("12")
    told = supervisor.exit_of(tmp_path)
    assert (told.code, told.cause) == (None, supervisor.SUPERVISOR_LOST)


async def test_an_exit_file_of_the_earlier_layout_is_read(tmp_path: Path) -> None:
    (tmp_path / "exit").write_text("7\n")
    assert supervisor.exit_of(tmp_path).code == 7


FORMER_SCRIPT = """\
trap : HUP INT QUIT TERM USR1 USR2
echo $$ > pid
work=$1; shift
(cd "$work" && exec "$@")
echo $? > exit
"""


async def test_an_instance_of_an_agent_with_one_user_for_all_goes_on_as_it_was(tmp_path: Path) -> None:
    """It is adopted, its exit code is read where the former supervisor wrote it, and it is started again as before."""
    async with bench(tmp_path) as site:
        record = site.record("former", command=["sh", "-c", "sleep 1; exit 9"], restart={"policy": "Never"})
        record.prepared, record.run, record.phase = True, 1, "Running"
        await site.host.journal.save(record)
        directory = site.host.journal.directory(record.uid)
        for part in ("work", "runs/1"):
            (directory / part).mkdir(parents=True)
            os.chown(directory / part, 65534, 65534)
        child = subprocess.Popen(
            ["/bin/sh", "-c", FORMER_SCRIPT, "starlink-run", "../../work/", "sh", "-c", "sleep 1; exit 9"],
            cwd=directory / "runs" / "1", env={"PATH": os.environ["PATH"], "STARLINK_RUN": f"{record.uid}/1"},
            user=65534, group=65534, extra_groups=[], start_new_session=True,
        )  # fmt: skip
        (loaded,) = site.host.journal.load().records
        assert loaded.user is not None and loaded.user.uid == 65534
        instance = site.begin(loaded)
        await instance.over()
        assert (loaded.phase, loaded.exit_code, loaded.user.alone) == ("Exited", 9, False)
        assert child.wait(10) == 0
