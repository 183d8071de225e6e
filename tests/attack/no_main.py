"""A process without its main thread: `python3 no_main.py HOW…`.

`/proc/PID/status` calls it a zombie, and its environment can't be read, while its other threads go on. HOW may be: deaf
(ignores what asks it to end), apart (leaves its session), bare (has no environment), hop (one short thread starts the
next), fatal (ends its supervisor).
"""

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

HOW = set(sys.argv[1:])
EXIT = 60 if os.uname().machine == "x86_64" else 93


def outlive() -> None:
    if "fatal" in HOW:
        while Path("/proc/self/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.01)
        os.kill(SUPERVISOR, signal.SIGKILL)
    if "hop" in HOW:
        time.sleep(0.001)
        threading.Thread(target=outlive).start()
    else:
        time.sleep(600)


SUPERVISOR = os.getppid()
if "bare" in HOW and "STARLINK_RUN" in os.environ:
    os.execve(sys.executable, [sys.executable, *sys.argv], {})
if "deaf" in HOW:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
if "apart" in HOW:
    if os.fork():
        time.sleep(600)
    os.setsid()
threading.Thread(target=outlive).start()
ctypes.CDLL(None).syscall(EXIT, 0)
