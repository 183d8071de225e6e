"""What a hostile task may try: `python3 evil.py NAME` tries one thing, prints `tried NAME`, and then does as it chose.

Runs inside an instance with the standard library alone. Each attack is bounded: in processes, bytes and descriptors. What
it gets at and should not, it prints behind `LEAK`.
"""

import contextlib
import ctypes
import fcntl
import mmap
import os
import pwd
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

ATTACKS: dict[str, Callable[[], None]] = {}
HOME = Path(os.environ["HOME"])
INSTANCE = HOME.parent
RUN = INSTANCE / "runs" / os.environ.get("STARLINK_RUN", "/0").rpartition("/")[2]


def attack(act: Callable[[], None]) -> Callable[[], None]:
    ATTACKS[act.__name__] = act
    return act


def leak(what: str) -> None:
    print("LEAK", what, flush=True)


def attempt(act: Callable[[], object]) -> bool:
    """Whether it worked; most attempts are refused."""
    try:
        act()
    except OSError:
        return False
    return True


def others() -> list[int]:
    """Processes of other users, the agent's and the neighbour's among them."""
    found = []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if entry.isdigit() and os.stat(f"/proc/{entry}").st_uid != os.getuid():
                found.append(int(entry))
    return found


def replaced(name: str, make: Callable[[Path], object]) -> None:
    """Puts something of its own in the place of a file of its run."""
    for path in (RUN / name, INSTANCE / name, INSTANCE / "logs" / name):
        attempt(path.unlink)
        if attempt(lambda path=path: make(path)):  # type: ignore[misc]
            leak(f"{name} could be replaced")


# Files that the agent reads


@attack
def fifo_for_exit() -> None:
    replaced("exit", os.mkfifo)
    replaced("pid", os.mkfifo)


@attack
def zeros_for_exit() -> None:
    replaced("exit", lambda path: path.symlink_to("/dev/zero"))
    replaced("pid", lambda path: path.symlink_to("/dev/zero"))


@attack
def fifo_for_record() -> None:
    replaced("record.json", os.mkfifo)
    replaced("current.log", os.mkfifo)


@attack
def huge_exit_code() -> None:
    for path in (Path(f"/proc/{os.getppid()}/fd/3"), RUN / "exit"):
        attempt(lambda path=path: path.write_text("9" * 20 + "\n"))  # type: ignore[misc]
    os.kill(os.getppid(), signal.SIGKILL)


@attack
def long_exit() -> None:
    """Takes the supervisor's own descriptor of the exit file, and fills it."""
    libc = ctypes.CDLL(None, use_errno=True)
    supervisor = os.pidfd_open(os.getppid())
    for number in range(10):
        taken = libc.syscall(438, supervisor, number, 0)  # pidfd_getfd
        if taken >= 0 and os.path.realpath(f"/proc/self/fd/{taken}").endswith("/exit"):
            attempt(lambda taken=taken: os.write(taken, b"7" * 1_000_000))  # type: ignore[misc]
    os.kill(os.getppid(), signal.SIGKILL)


@attack
def kill_supervisor() -> None:
    os.kill(os.getppid(), signal.SIGKILL)


@attack
def stop_supervisor() -> None:
    os.kill(os.getppid(), signal.SIGSTOP)


@attack
def swap_home() -> None:
    attempt(lambda: HOME.rename(INSTANCE / "elsewhere"))
    if attempt(lambda: HOME.symlink_to("/etc")):
        leak("its directory could be exchanged")
    (HOME / "link").symlink_to("/etc")


@attack
def own_log() -> None:
    """Its log is its own file, to which /dev/stderr and /dev/stdout lead: all that an owner may do to a file."""
    for name in ("/dev/stdout", "/dev/stderr"):
        if not attempt(lambda name=name: _append(name, b"by path\n")):  # type: ignore[misc]
            leak(f"{name} can't be opened")  # no leak, but a program that needs it does not run
    if attempt(lambda: os.listdir(os.path.dirname(os.readlink("/proc/self/fd/1")))):
        leak("the directory of logs can be listed")
    attempt(lambda: os.link("/proc/self/fd/1", HOME / "log", follow_symlinks=True))
    own = os.open("/proc/self/fd/1", os.O_RDWR)
    flags = ctypes.c_long(0x10)  # FS_IMMUTABLE_FL, by FS_IOC_SETFLAGS
    if attempt(lambda: fcntl.ioctl(own, 0x40086602, flags)):
        leak("its log can be made immutable")
    for act in (
        lambda: os.fchmod(own, 0o6777), lambda: fcntl.flock(own, fcntl.LOCK_EX), lambda: fcntl.lockf(own, fcntl.LOCK_EX),
        lambda: fcntl.fcntl(own, 1024, fcntl.F_WRLCK), lambda: fcntl.fcntl(own, 1024, fcntl.F_RDLCK),  # F_SETLEASE
        lambda: os.pwrite(own, b"far away", 1 << 40), lambda: os.fchmod(own, 0), lambda: os.ftruncate(own, 0),
    ):  # fmt: skip
        attempt(act)


def _append(name: str, text: bytes) -> None:
    with open(name, "ab", buffering=0) as opened:
        opened.write(text)


# Trees


@attack
def deep_tree() -> None:
    here = os.open(HOME, os.O_DIRECTORY)
    for _ in range(3_000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below


@attack
def wide_tree() -> None:
    for number in range(3_000):
        (HOME / f"directory-{number}").mkdir()


@attack
def odd_names() -> None:
    for name in (b"new\nline", b"\x1b[31mred", b"\xff\xfe", b"-rf", b" ", b"*", b"x" * 255, b"\r", b"..."):
        os.close(os.open(os.path.join(os.fsencode(HOME), name), os.O_CREAT | os.O_WRONLY))
        os.mkdir(os.path.join(os.fsencode(HOME), name[:200] + b".d"))


@attack
def shut_directories() -> None:
    (HOME / "shut/below").mkdir(parents=True)
    (HOME / "shut/below/file").touch()
    (HOME / "shut/below").chmod(0)
    (HOME / "shut").chmod(0)


@attack
def open_directory() -> None:
    """Lets everybody write, so that the files of others lie in its tree."""
    HOME.chmod(0o777)
    INSTANCE.chmod(0o777) if attempt(lambda: INSTANCE.chmod(0o777)) else None


@attack
def hard_links() -> None:
    for path in ("/etc/passwd", "/bin/sh", str(INSTANCE / "record.json")):
        attempt(lambda path=path: os.link(path, HOME / os.path.basename(path)))  # type: ignore[misc]


@attack
def sparse_files() -> None:
    with (HOME / "sparse").open("wb") as file:
        attempt(lambda: file.truncate(1 << 40))


@attack
def full_disk() -> None:
    """Fills the file system of the instances, keeps it full for a moment, and makes room again."""
    block = b"\0" * (1 << 20)
    descriptor = os.open(HOME / "fill", os.O_CREAT | os.O_WRONLY)
    with contextlib.suppress(OSError):
        for _ in range(1_024):
            os.write(descriptor, block)
    time.sleep(3)
    os.close(descriptor)
    (HOME / "fill").unlink()


@attack
def strange_times() -> None:
    path = HOME / "strange"
    path.touch()
    attempt(lambda: os.utime(path, (1 << 33, 1 << 33)))
    attempt(lambda: os.setxattr(path, "user.x", b"x" * 1_000))


# Processes


@attack
def fork_storm() -> None:
    """Processes, and threads, which count as processes do, until there may be no more."""
    told, tell = os.pipe()
    children = 0
    with contextlib.suppress(OSError):
        while children < 400:
            if os.fork() == 0:
                _threads(50)
                os.write(tell, b"x")
                signal.pause()
                os._exit(0)
            children += 1
    for _ in range(children):
        os.read(told, 1)
    if children == 400 and attempt(_idle_child):
        leak("20,000 processes and threads")


def _idle_child() -> None:
    if os.fork() == 0:
        signal.pause()


def _threads(count: int) -> None:
    threading.stack_size(32 << 10)
    with contextlib.suppress(RuntimeError):
        for _ in range(count):
            threading.Thread(target=signal.pause, daemon=True).start()


@attack
def leaver() -> None:
    """A process that clears its environment, leaves its session, and ends for nobody."""
    _escape("exec sleep 1000")


@attack
def many_leavers() -> None:
    for _ in range(20):
        _escape("trap '' TERM HUP INT; sleep 1000; sleep 1000")


def _escape(script: str) -> None:
    subprocess.Popen(
        ["/usr/bin/env", "-i", "/bin/sh", "-c", script], start_new_session=True, cwd="/", close_fds=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@attack
def no_main_thread() -> None:
    """Its first thread ends and another goes on, so that /proc calls it a zombie; one of two leaves its session too."""
    if os.fork() == 0:
        os.setsid()
    deaf()
    threading.Thread(target=_outlive).start()
    ctypes.CDLL(None).pthread_exit(None)


def _outlive() -> None:
    _main_thread_ends()
    _tried("no_main_thread")
    time.sleep(600)


def _main_thread_ends() -> None:
    """Returns once /proc calls this process a zombie."""
    while Path("/proc/self/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)


@attack
def deaf() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


@attack
def stopped() -> None:
    _tried("stopped")
    os.kill(os.getpid(), signal.SIGSTOP)


@attack
def kill_everything() -> None:
    for pid in others():
        if attempt(lambda pid=pid: os.kill(pid, 0)):  # type: ignore[misc]
            leak(f"process {pid} of another user can be signalled")
    _tried("kill_everything")
    os.kill(-1, signal.SIGKILL)


@attack
def read_others() -> None:
    for pid in others():
        for name in ("environ", "mem", "fd/1"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/{name}", "rb") as opened:
                if opened.read(1):
                    leak(f"{name} of {pid}, of another user, can be read")


@attack
def trace_others() -> None:
    libc = ctypes.CDLL(None)
    for pid in others():
        if libc.ptrace(0x4206, pid, 0, 0) == 0:  # PTRACE_SEIZE
            leak(f"process {pid} of another user can be traced")


@attack
def forged_marker() -> None:
    """Processes that look like the supervisors of every other instance."""
    uids = os.environ["EVIL_NEIGHBOURS"].split(",")
    for uid in uids:
        subprocess.Popen(
            ["/bin/sh", "-c", "sleep 1000", "starlink-run", "x"], start_new_session=True,
            env={"STARLINK_RUN": f"{uid}/1", "HOME": str(HOME)},
        )  # fmt: skip


@attack
def huge_environment() -> None:
    subprocess.Popen(["/bin/sleep", "1000"], env={f"V{n}": "x" * 100_000 for n in range(15)})
    subprocess.Popen(["/bin/sleep", "1000"], env={"STARLINK_RUN": "x" * 100_000})


@attack
def large_environ_area() -> None:
    """Tells the kernel that its environment is a gigabyte of zeros, which /proc/PID/environ then gives to any reader."""
    area = mmap.mmap(-1, 1 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    start = ctypes.addressof(ctypes.c_char.from_buffer(area))
    libc = ctypes.CDLL(None)
    for which, address in ((10, start), (11, start + (1 << 30))):  # PR_SET_MM_ENV_START, _END
        libc.prctl(35, which, ctypes.c_ulong(address), 0, 0)
    _tried("large_environ_area")
    signal.pause()


@attack
def real_time() -> None:
    if attempt(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))):
        leak("real-time priority")
    if attempt(lambda: os.nice(-10)):
        leak("a better priority")


@attack
def become_root() -> None:
    for act in (lambda: os.setuid(0), lambda: os.setgroups([0]), lambda: os.setgid(0), lambda: os.chroot("/")):
        if attempt(act):
            leak("a root's right")
    for command in (["/bin/su", "-c", "id"], ["/usr/bin/passwd", "-S", "root"], ["/usr/bin/chsh", "root"]):
        with contextlib.suppress(OSError):
            done = subprocess.run(
                command, capture_output=True, timeout=5, check=False, stdin=subprocess.DEVNULL, env={"PATH": "/bin"}
            )
            if b"uid=0" in done.stdout:
                leak("a set-uid program gave root's rights")
    status = Path("/proc/self/status").read_text()
    if "NoNewPrivs:\t1" not in status:
        leak("new privileges can be gained")
    if "Groups:\t \n" not in status and "Groups:\t\n" not in status:
        leak("groups")


@attack
def descriptors() -> None:
    with contextlib.suppress(OSError):
        for _ in range(50_000):
            os.open("/dev/null", os.O_RDONLY)


@attack
def memory() -> None:
    area = bytearray(200 << 20)
    area[::4096] = b"x" * len(area[::4096])
    _tried("memory")
    signal.pause()


@attack
def busy() -> None:
    _tried("busy")
    for _ in range(3):
        if os.fork() == 0:
            break
    end = time.monotonic() + 20
    while time.monotonic() < end:
        pass
    signal.pause()


# What is StarLink's, and what is a neighbour's


@attack
def read_starlink() -> None:
    """Looks at all of the data directory for something that may be read, or changed."""
    data = INSTANCE.parent.parent.parent
    for place in (data, data / "pki", data / "store", data / "logs", data / "agent", INSTANCE.parent, INSTANCE):
        if attempt(lambda place=place: os.listdir(place)):  # type: ignore[misc]
            leak(f"{place} can be listed")
        if attempt(lambda place=place: (place / "evil").touch()):  # type: ignore[misc]
            leak(f"{place} can be written")
    for name in (
        "admin.kubeconfig", "run.json", "starlink.lock", "pki/ca.key", "pki/agent.token", "pki/agent.kubeconfig",
        "pki/operator.kubeconfig", "store/starlink.db", "store/encryption.key", "logs/audit.log", "logs/agent.log",
        "agent/agent.lock", "agent/agent-id",
    ):  # fmt: skip
        if attempt(lambda name=name: (data / name).open("rb").read(1)):  # type: ignore[misc]
            leak(f"{name} can be read")
    for name in ("record.json", "logs/current.log"):
        if attempt(lambda name=name: (INSTANCE / name).open("rb").read(1)):  # type: ignore[misc]
            leak(f"{name} can be read")


@attack
def read_neighbours() -> None:
    for uid in os.environ["EVIL_NEIGHBOURS"].split(","):
        for name in ("work", "logs", "record.json", "runs/1/exit", "work/secret"):
            path = INSTANCE.parent / uid / name
            if attempt(lambda path=path: path.open("rb").read(1) if path.is_file() else os.listdir(path)):  # type: ignore[misc]
                leak(f"{name} of a neighbour can be read")


@attack
def ask_the_api() -> None:
    """Asks the API as nobody, and in ways that no client does."""
    address = os.environ["EVIL_API"]
    host, _, port = address.rpartition(":")
    for number in range(100):
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=2) as opened:
            opened.sendall(b"\x16\x03\x01" + bytes([number]) * 500 if number % 2 else b"GET / HTTP/1.1\r\n\r\n")
    held = []
    with contextlib.suppress(OSError):
        for _ in range(200):
            held.append(socket.create_connection((host, int(port)), timeout=2))
    time.sleep(2)


# What the agent listens to


@attack
def loud() -> None:
    block = b"\0\x1b[2J no line at all " * 5_000
    for _ in range(300):
        os.write(1, block)


@attack
def slow_probe() -> None:
    """Answers a readiness probe byte by byte, for ever."""
    _tried("slow_probe")
    listening = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
    held = []
    while True:
        opened, _ = listening.accept()
        held.append(opened)
        attempt(lambda opened=opened: opened.sendall(b"H" * 50))  # type: ignore[misc]


@attack
def endless_probe() -> None:
    _tried("endless_probe")
    listening = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
    while True:
        opened, _ = listening.accept()
        for _ in range(200):
            if not attempt(lambda opened=opened: opened.sendall(b"x" * 65_536)):  # type: ignore[misc]
                break
        opened.close()


# Ends


@attack
def real_time_signal() -> None:
    _tried("real_time_signal")
    os.kill(os.getpid(), 60)


@attack
def crash() -> None:
    _tried("crash")
    os.abort()


@attack
def code_255() -> None:
    _tried("code_255")
    os._exit(255)


@attack
def swap_before_restart() -> None:
    """Puts links where the next start will look, and ends."""
    for name in ("start.sh", "below"):
        attempt((HOME / name).unlink)
        attempt(lambda name=name: (HOME / name).symlink_to("/root"))  # type: ignore[misc]
    _tried("swap_before_restart")
    os._exit(1)


def _tried(name: str) -> None:
    print("tried", name, flush=True)


def main() -> None:
    name = sys.argv[1]
    with contextlib.suppress(KeyError):
        sys.exit(f"these attacks are not for {pwd.getpwuid(os.getuid()).pw_name}, who may have processes of his own")
    ATTACKS[name]()
    _tried(name)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
