"""A wall clock that a test can set, for processes that it starts: the monotonic clock is left as it is."""

import os
import struct
import subprocess
from pathlib import Path

from tests.tools import COMPILER

SOURCE = Path(__file__).with_name("wall_clock.c")
DAY = 24 * 3600


class WallClock:
    """The clock of processes that are started with `environment`. Skips the test, saying so, without a C compiler."""

    def __init__(self, folder: Path) -> None:
        compiler = COMPILER.path()
        library = folder / "wall_clock.so"
        self._shift = folder / "wall_clock.shift"
        self.jump(0)
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
        self.environment = {"LD_PRELOAD": str(library), "WALL_CLOCK": str(self._shift)}

    def jump(self, seconds: int) -> None:
        """Sets the clock to so many seconds after the machine's."""
        descriptor = os.open(self._shift, os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            os.pwrite(descriptor, struct.pack("=q", seconds), 0)
        finally:
            os.close(descriptor)
