"""What a person is told of an error that no command told: never a traceback."""

import contextlib
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import click

from starlink.cli import extras
from starlink.foreign import said

INTERRUPTED = 130
"""As shells count what SIGINT ends."""
_OF_STARLINK = f"{os.sep}starlink"


def run(cli: click.Command) -> NoReturn:
    """Calls a command as its process, and ends with its exit status. Each exception becomes words on standard error."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        status = cli.main(prog_name="starlink", standalone_mode=False)
    except click.ClickException as error:
        status = _tell(error, error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        status = _tell(click.ClickException("interrupted"), INTERRUPTED)
    except Exception as error:
        status = _tell(click.ClickException(in_words(error)), 1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while Python takes itself down, nobody is there to say a word
    _let_go()
    sys.exit(status if isinstance(status, int) else 0)


def _tell(error: click.ClickException, status: int) -> int:
    with contextlib.suppress(OSError):
        error.show()
    return status


def _let_go() -> None:
    """Who read standard output may have left; what is left for it goes nowhere, and not with a traceback."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def in_words(error: Exception) -> str:
    """What an exception says to a person."""
    if isinstance(error, ModuleNotFoundError) and (lacking := extras.lacking(error.name or "")):
        return lacking
    if isinstance(error, OSError) and error.strerror:
        return os_error(error)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if _OF_STARLINK in frame.filename]
    where = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    return f"this is a fault of StarLink's own, please report it: {said(error)}{where}"


def os_error(error: OSError) -> str:
    """With its file where it has one."""
    what = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {what}" if error.filename is not None else what
