"""What a task inherits of its agent: no ignored signal, no keyring, no blame."""

import ctypes
import errno
import os
import platform
import signal
import subprocess
import sys

import pytest

from starlink_nodeagent.failures.failure import Failure
from starlink_nodeagent.processes import confinement, procfs
from starlink_nodeagent.runtimes.supervision import supervisor
from starlink_nodeagent.users.user import TaskUser

SETTLE = "import sys; from starlink_nodeagent.processes import confinement; confinement.settle(False); "


def test_signals_that_the_agent_ignores_reach_its_tasks() -> None:
    """As `nohup` starts it."""
    script = SETTLE + "import subprocess; subprocess.run(['cat', '/proc/self/status'])"
    done = subprocess.run(
        ["sh", "-c", 'trap "" HUP QUIT USR1; exec "$@"', "sh", sys.executable, "-c", script],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    status = dict(line.split(":\t", 1) for line in done.stdout.splitlines())
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1):
        assert not int(status["SigIgn"], 16) & 1 << number - 1
    assert int(status["SigBlk"], 16) == 0


def test_tasks_share_no_session_keyring() -> None:
    number = confinement._KEYCTL.get(platform.machine())
    asked = (
        f"import ctypes; print(ctypes.CDLL(None).syscall({number}, 0, -3, 0))"  # KEYCTL_GET_KEYRING_ID, the session's
    )
    if number is None or ctypes.CDLL(None).syscall(number, 0, -3, 0) < 0:
        pytest.skip("the kernel has no keyrings, or they are barred here")
    script = SETTLE + (
        "import subprocess\n"
        "def ask(): subprocess.run([sys.executable, '-c', sys.argv[1]])\n"
        "ask()\n"
        "for _ in range(2):\n"
        "    with confinement.for_a_task(): ask()\n"
    )
    done = subprocess.run([sys.executable, "-c", script, asked], capture_output=True, text=True, check=True)
    rings = done.stdout.split()
    assert len(rings) == 3 and len({*rings}) == 3 and all(int(ring) > 0 for ring in rings)


def test_a_want_of_processes_is_blamed_on_a_task_only_when_it_is_the_tasks() -> None:
    own = TaskUser("1001", 1_001, 1_001, True)
    by_the_agent = OSError(errno.EAGAIN, "Resource temporarily unavailable")
    assert supervisor._refusal(by_the_agent, own) is by_the_agent
    refusal = supervisor._refusal(OSError(errno.EAGAIN, "Resource temporarily unavailable", "/bin/sh"), own)
    assert isinstance(refusal, Failure) and refusal.reason == "TooManyProcesses"


def test_a_marker_that_can_be_none_is_not_kept() -> None:
    child = subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], "STARLINK_RUN": "x" * 100_000})
    try:
        assert procfs.run_of(child.pid) is None
    finally:
        child.kill()
        child.wait()
