"""The demo is a test: it exits 0 only when each of its steps was seen to work."""

import os
import subprocess
import sys
from pathlib import Path


def test_demo(tmp_path: Path) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "starlink.cli", "demo"],
        capture_output=True,
        text=True,
        timeout=180,
        env=env,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for step in (
        "3 replicas are ready",
        "it came back",
        "scaled web to 5",
        "scaled web to 2",
        "moved to s1",
        "nothing is left",
    ):
        assert step in done.stdout
    assert list(tmp_path.iterdir()) == []
