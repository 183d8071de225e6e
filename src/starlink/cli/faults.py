"""What a person is told of an error that no command told: never a traceback."""

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import click

from starlink.cli import extras

INTERRUPTED = 130
"""As shells count what SIGINT ends."""
_OF_STARLINK = f"{os.sep}starlink"


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Around everything: each exception becomes a line on standard error and an exit status."""
    try:
        yield
    except KeyboardInterrupt:
        _end("interrupted", INTERRUPTED)
    except BrokenPipeError:
        _end("", 1)
    except Exception as error:
        _end(in_words(error), 1)


def in_words(error: Exception) -> str:
    """What an exception says to a person."""
    if isinstance(error, ModuleNotFoundError) and (lacking := extras.lacking(error.name or "")):
        return lacking
    if isinstance(error, OSError) and error.strerror:
        return os_error(error)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if _OF_STARLINK in frame.filename]
    where = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    return f"this is a fault of StarLink's own, please report it: {type(error).__name__}{where}: {error}"


def os_error(error: OSError) -> str:
    """With its file where it has one."""
    what = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {what}" if error.filename is not None else what


def _end(words: str, status: int) -> None:
    """Standard output may lead nowhere any more: what is left for it is dropped."""
    if words:
        with contextlib.suppress(OSError):
            click.echo(f"Error: {words}", err=True)
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)
