"""What of a template nobody can use, whichever API server let it in. Pure.

The operator, the CLI and the agent all ask here, so they find the same faults. The CRDs refuse most of them at the
door; an API server with an earlier CRD does not. What only one server knows, such as which drivers it has, its agent's
runtime judges beside.
"""

import signal
from collections.abc import Iterator, Sequence
from functools import partial

from starlink.api import quantity
from starlink.api.checks import Check, first, length_of_time, within
from starlink.api.template import Probe, Template

MOST_FILES = 100
LARGEST_FACTOR = 10
LAST_PORT = 65_535
LONGEST_STRING = 131_071
"""Bytes of one argument, or of one variable with its name: MAX_ARG_STRLEN less the closing NUL, see execve(2)."""


def fault(template: Template) -> str:
    """The first field that can't be used, with its value and what would be right; "" when there is none."""
    return first(checks("template", template))


def checks(at: str, template: Template) -> Iterator[Check]:
    """A check of each field of the template that lies at the path `at`."""
    yield f"{at}.driver", partial(_driver, template)
    yield from _of_words(f"{at}.command", template.command)
    yield from _of_words(f"{at}.args", template.args)
    for variable in template.env:
        yield f"{at}.env.{variable.name}", partial(_variable, variable.name, variable.value)
    yield f"{at}.workingDir", partial(_string, template.working_dir)
    for name, value in template.resources.requests.items():
        yield f"{at}.resources.requests.{name}", partial(quantity.amount, name, value)
    for port in template.ports:
        yield f"{at}.ports[{port.name}].port", partial(within, port.port, 0, LAST_PORT)
    for which in ("startup", "liveness", "readiness"):
        yield from _of_probe(f"{at}.probes.{which}", getattr(template.probes, which))
    restart, stop, logs = template.restart, template.stop, template.logs
    yield f"{at}.restart.limit", partial(within, restart.limit)
    yield f"{at}.restart.backoff.initial", partial(length_of_time, restart.backoff.initial)
    yield f"{at}.restart.backoff.max", partial(length_of_time, restart.backoff.max)
    yield f"{at}.restart.backoff.factor", partial(within, restart.backoff.factor, 1, LARGEST_FACTOR)
    yield f"{at}.stop.signal", partial(_signal, stop.signal)
    yield f"{at}.stop.gracePeriod", partial(length_of_time, stop.grace_period)
    yield f"{at}.logs.maxSize", partial(quantity.amount, "ephemeral-storage", logs.max_size)
    yield f"{at}.logs.maxFiles", partial(within, logs.max_files, 1, MOST_FILES)


def _of_words(field: str, words: Sequence[str]) -> Iterator[Check]:
    return ((f"{field}[{number}]", partial(_string, word)) for number, word in enumerate(words))


def _of_probe(field: str, probe: Probe | None) -> Iterator[Check]:
    if probe is not None:
        yield f"{field}.initialDelay", partial(length_of_time, probe.initial_delay)
        yield f"{field}.period", partial(length_of_time, probe.period)
        yield f"{field}.timeout", partial(length_of_time, probe.timeout)
        yield f"{field}.successThreshold", partial(within, probe.success_threshold, 1)
        yield f"{field}.failureThreshold", partial(within, probe.failure_threshold, 1)
        if probe.exec is not None:
            yield from _of_words(f"{field}.exec.command", probe.exec.command)
        if probe.http_get is not None:
            yield f"{field}.httpGet.path", partial(_path, probe.http_get.path)


def _driver(template: Template) -> None:
    """Runtime Driver has a driver, and no other runtime does."""
    runtime, driver = template.runtime, template.driver
    if runtime == "Driver" and driver is None:
        raise ValueError("runtime Driver has none; give the driver's name and operation")
    if runtime != "Driver" and driver is not None:
        raise ValueError(f"runtime {runtime} has {driver.name}; take it away, or use runtime Driver")


def _variable(name: str, value: str) -> None:
    if not name or "=" in name or "\0" in name:
        raise ValueError(f"{name[:40]!r} can't be the name of a variable; write one without = and NUL")
    _string(value, f"{name}=")


def _string(text: str, name: str = "") -> None:
    """Text that a program can be given; `name` stands before it."""
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


def _signal(name: str) -> None:
    if name not in signal.Signals.__members__:
        raise ValueError(f"{name!r} is no signal; write SIGTERM, or another that kill -l lists")
