"""CPU is counted with what tests start, and where there are control groups also of what nobody waits for."""

import os
import subprocess
import sys
import time

import pytest
from tests.meter import Group, Meter, Waited, meter

BURN = "import os\nwhile sum(os.times()[:2]) < 0.3: pass"


@pytest.fixture(params=[Waited, meter])
def counting(request: pytest.FixtureRequest) -> Meter:
    found: Meter = request.param()
    request.addfinalizer(found.close)
    return found


def test_a_child_is_counted(counting: Meter) -> None:
    before = counting.seconds()
    subprocess.run([sys.executable, "-c", BURN], check=True)
    assert counting.seconds() - before > 0.2


def test_what_nobody_waits_for_is_counted_in_a_group() -> None:
    counting = meter()
    if not isinstance(counting, Group):
        pytest.skip("this process may make no control group")
    try:
        before = counting.seconds()
        pid = int(subprocess.run(
            ["sh", "-c", f'"{sys.executable}" -c "$0" > /dev/null & echo $!', BURN],
            capture_output=True, text=True, check=True,
        ).stdout)  # fmt: skip
        while os.path.exists(f"/proc/{pid}"):
            time.sleep(0.05)
        assert counting.seconds() - before > 0.2
    finally:
        counting.close()


def test_a_group_is_left_as_it_was_found() -> None:
    before = _groups()
    meter().close()
    assert _groups() == before


def _groups() -> str:
    with open("/proc/self/cgroup") as file:
        return file.read()
