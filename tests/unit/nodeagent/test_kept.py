"""What a driver keeps: it takes no stranger's process for its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import eventually

from starlink_drivers.kept import Kept

STRANGER = 65_534
SLEEP = ["/bin/sleep", "600"]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept({"STARLINK_KEPT": str(tmp_path / "kept.json"), "STARLINK_RUN": "uid/1", "PATH": os.environ["PATH"]})


@pytest.fixture
def forged() -> Iterator["subprocess.Popen[bytes]"]:
    """A process of another user with the marker and the name of what is kept."""
    claim = {"STARLINK_RUN": "uid/kept", "STARLINK_KEPT_NAME": "proxy"}
    with subprocess.Popen(SLEEP, env=claim, user=STRANGER, group=STRANGER, start_new_session=True) as process:
        eventually(lambda: b"STARLINK_KEPT_NAME=proxy" in Path(f"/proc/{process.pid}/environ").read_bytes(), "it runs")
        yield process
        process.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
async def test_a_strangers_process_is_never_the_drivers(kept: Kept, forged: "subprocess.Popen[bytes]") -> None:
    assert kept.find("proxy") is None
    own = kept.start("proxy", SLEEP)
    eventually(lambda: kept.find("proxy") == own, "the driver's own is found")
    await kept.end("proxy", grace=10.0)
    assert kept.find("proxy") is None and forged.poll() is None


async def test_the_first_of_what_it_started_is_it(kept: Kept) -> None:
    parent = [sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '600'])"]
    pid = kept.start("proxy", parent)
    eventually(lambda: kept.find("proxy") == pid, "it is found")
    assert kept.command("proxy") == tuple(parent)
    await kept.end("proxy", grace=10.0)
    assert kept.find("proxy") is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
