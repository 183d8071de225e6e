"""A command on a terminal of its own."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence


def shown(words: Sequence[str], *, columns: int = 80, env: Mapping[str, str]) -> tuple[str, int]:
    """What a terminal of that width gets, both streams, and the exit code."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(words, stdin=its, stdout=its, stderr=its, env=dict(env), start_new_session=True) as process:
        os.close(its)
        text = b""
        try:
            while part := os.read(ours, 65536):
                text += part
        except OSError:  # EIO: the last that wrote to it is gone
            pass
        code = process.wait(timeout=90)
    os.close(ours)
    return text.decode().replace("\r\n", "\n"), code
