"""Structured logs: one JSON object a line on standard error, with a level."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType

from starlink.foreign import said

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
LEVELS = ("debug", "info", "warning", "error")


_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class PlainFormatter(logging.Formatter):
    """For a person who looks on; of an exception it tells no more than `JsonFormatter`."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s: %(message)s")

    def formatException(self, ei: _ExcInfo) -> str:
        return _places(ei[1]) if ei[1] is not None else ""


class JsonFormatter(logging.Formatter):
    """`ts`, `level`, `component`, `msg`, what was given as `extra`, and `error` with a traceback: where it was, and
    what may be told of it, for the exception's own words may hold a value of anybody's."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "component": self._component,
            "msg": record.getMessage(),
        }
        line.update((key, value) for key, value in record.__dict__.items() if key not in _STANDARD)
        if record.exc_info and record.exc_info[1]:
            line["error"] = _places(record.exc_info[1])
        return json.dumps(line, default=str, ensure_ascii=False)


def _places(error: BaseException) -> str:
    """An exception and those that led to it, and where they were raised."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    before = f"{_places(cause)}\n" if cause is not None else ""
    return f"{before}{said(error)}:\n{''.join(traceback.format_tb(error.__traceback__))}"


def setup(level: str, component: str, *, plain: bool = False) -> None:
    """Sends all logs of the process to standard error. `level` is one of LEVELS; `plain` is for a person who looks on,
    in place of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter() if plain else JsonFormatter(component))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
