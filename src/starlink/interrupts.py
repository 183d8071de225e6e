"""Ctrl-C while a process still loads its modules: it ends the process without a word, for there is nobody yet who would
say one."""

import signal


def end_silently() -> None:
    """Until somebody sets a handler; for the first lines of a program. One that is to ignore Ctrl-C goes on with it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def hold() -> None:
    """Keeps it for the program that takes this one's place: it comes once that calls `end_silently`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
