"""Why something is so, as data: the words are put together where they are told. Pure."""

from dataclasses import dataclass
from typing import Literal

from starlink.api.assignment import Assignment

Phase = Literal["Complete", "Failed"]
"""How a Batch ends."""


@dataclass(frozen=True, slots=True)
class Because:
    """An assignment that has to go, and the reason in one word."""

    assignment: Assignment
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a Batch has ended, for good."""

    phase: Phase
    reason: str
    message: str
