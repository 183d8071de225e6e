"""Assignments that this agent can't read, or doesn't understand: what runs goes on, and nothing is begun. Pure."""

from collections.abc import Container
from typing import get_args

from starlink.api import enumerations
from starlink.api.assignment import Assignment, AssignmentStatus, Phase
from starlink.api.template import Template

UNREADABLE = "Unreadable"
_PHASES = frozenset(get_args(Phase))


def trouble(assignment: Assignment) -> str:
    """The first field that can't be read, or has a value that this agent doesn't know; "" when there is none. Its phase
    is what agents write, and of one that runs here its own agent knows better."""
    if assignment.unreadable is not None:
        return assignment.unreadable.why
    return next(enumerations.unknown(assignment.spec, "spec"), "")


def of_template(template: Template, runtimes: Container[str]) -> str:
    """The same of a template, for an agent that has these `runtimes`."""
    if why := next(enumerations.unknown(template, "template"), ""):
        return why
    return "" if template.runtime in runtimes else f"template.runtime: this agent has no {template.runtime}"


def has_foreign_phase(status: AssignmentStatus) -> bool:
    """Whether another version wrote the phase."""
    return status.phase not in _PHASES


def foreign_end(assignment: Assignment) -> str:
    """Why an assignment that does not run here may be over, in a phase that this agent doesn't know; "" when it is not.
    It ended last, and was not started since."""
    status = assignment.status
    ended = status.finished_at is not None and (status.started_at or "") <= status.finished_at
    if not (has_foreign_phase(status) and ended):
        return ""
    return f"status.phase: {status.phase[:40]!r} is no phase that this agent knows, and it ended in it"


def told(why: str) -> str:
    """What a person is told of it, and what would help."""
    return f"{why}; it is left as it is: upgrade the agent"
