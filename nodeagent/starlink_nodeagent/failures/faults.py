"""What of a template no runtime can use; each has a say of its own beside. Pure.

The API refuses most of it at the door; an API server with an earlier schema does not.
"""

import math
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from starlink.api import duration, quantity
from starlink.api.template import Probe, Template

INVALID_SPEC = "InvalidSpec"
MOST_FILES = 100
LARGEST_FACTOR = 10
LAST_PORT = 65_535
LONGEST_STRING = 131_071
"""Bytes of one argument, or of one variable with its name: MAX_ARG_STRLEN less the closing NUL, see execve(2)."""

Check = tuple[str, Callable[[], object]]


def fault(template: Template) -> str:
    """The first field that can't be used, with its value and what would be right; "" when there is none."""
    return first(_checks(template))


def first(checks: Iterable[Check]) -> str:
    """What the first check that fails says, with its field; "" when none does."""
    for field, check in checks:
        try:
            check()
        except (ValueError, ArithmeticError) as error:
            return f"template.{field}: {error}"
    return ""


def _checks(template: Template) -> Iterator[Check]:
    for name, value in template.resources.requests.items():
        yield f"resources.requests.{name}", partial(quantity.amount, name, value)
    for port in template.ports:
        yield f"ports.{port.name}", partial(_within, port.port, 0, LAST_PORT)
    for which in ("startup", "liveness", "readiness"):
        yield from _of_probe(f"probes.{which}", getattr(template.probes, which))
    backoff, stop, logs = template.restart.backoff, template.stop, template.logs
    yield "restart.backoff.initial", partial(_seconds, backoff.initial)
    yield "restart.backoff.max", partial(_seconds, backoff.max)
    yield "restart.backoff.factor", partial(_within, backoff.factor, 1, LARGEST_FACTOR)
    yield "stop.signal", partial(_signal, stop.signal)
    yield "stop.gracePeriod", partial(_seconds, stop.grace_period)
    yield "logs.maxSize", partial(quantity.count_bytes, logs.max_size)
    yield "logs.maxFiles", partial(_within, logs.max_files, 1, MOST_FILES)


def of_words(field: str, words: Sequence[str]) -> Iterator[Check]:
    """A check of each word that a program is given."""
    return ((f"{field}[{number}]", partial(string, word)) for number, word in enumerate(words))


def _of_probe(field: str, probe: Probe | None) -> Iterator[Check]:
    if probe is not None:
        yield f"{field}.initialDelay", partial(_seconds, probe.initial_delay)
        yield f"{field}.period", partial(_seconds, probe.period)
        yield f"{field}.timeout", partial(_seconds, probe.timeout)
        if probe.exec is not None:
            yield from of_words(f"{field}.exec.command", probe.exec.command)
        if probe.http_get is not None:
            yield f"{field}.httpGet.path", partial(_path, probe.http_get.path)


def _seconds(value: str) -> None:
    if not math.isfinite(duration.seconds(value)):
        raise ValueError(f"{value[:40]!r} is too long a duration; write it as 30s, 1m30s or 500ms")


def string(text: str, name: str = "") -> None:
    """Raises ValueError for what no program can be given; `name` stands before it."""
    if "\0" in text:
        raise ValueError(
            f"there is a NUL at character {text.index(chr(0)) + 1}, where a program's text ends; leave it out"
        )
    size = len(f"{name}{text}".encode())
    if size > LONGEST_STRING:
        raise ValueError(
            f"{size} bytes are more than the system gives to a program in one piece; write at most {LONGEST_STRING}"
        )


def _path(path: str) -> None:
    if any(character <= " " or character == "\x7f" for character in path):
        raise ValueError(f"{path[:40]!r} has a space or a control character; write them as %20")


def _within(value: float, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{value} is out of range; write a number from {least} to {most}")


def _signal(name: str) -> None:
    if name not in signal.Signals.__members__:
        raise ValueError(f"{name!r} is no signal; write SIGTERM, or another that kill -l lists")
