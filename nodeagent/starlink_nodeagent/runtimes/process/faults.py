"""What of a template can't be started as a process. Pure."""

from collections.abc import Iterator
from functools import partial

from starlink.api.template import Template
from starlink_nodeagent.failures.faults import Check, first, of_words, string


def fault(template: Template) -> str:
    """The first field that can't be used, with its value and what would be right; "" when there is none."""
    return first(_checks(template))


def _checks(template: Template) -> Iterator[Check]:
    yield from of_words("command", template.command)
    yield from of_words("args", template.args)
    for variable in template.env:
        yield f"env.{variable.name}", partial(_variable, variable.name, variable.value)
    yield "workingDir", partial(string, template.working_dir)


def _variable(name: str, value: str) -> None:
    if not name or "=" in name or "\0" in name:
        raise ValueError(f"{name[:40]!r} can't be the name of a variable; write one without = and NUL")
    string(value, f"{name}=")
