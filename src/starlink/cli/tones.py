"""Whether an object is well, by what every object says of itself: deletion, phase and conditions. Pure.

The conditions are those of kstatus: Ready, Reconciling and Stalled.
"""

from collections.abc import Mapping
from typing import Any

from starlink.cli.screen import Tone

_BY_PHASE = {
    "Active": Tone.GOOD,
    "Complete": Tone.GOOD,
    "Succeeded": Tone.GOOD,
    "Bound": Tone.GOOD,
    "Failed": Tone.BAD,
    "Degraded": Tone.BAD,
    "Unknown": Tone.BAD,
    "Stopped": Tone.QUIET,
    "Suspended": Tone.QUIET,
    "Terminating": Tone.UNDER_WAY,
}
_AT_AN_END = frozenset({"Stopped", "Exited", "Failed", "Unknown"})
_BY_READY = {"True": Tone.GOOD, "Unknown": Tone.BAD, "False": Tone.BAD}
_WRONG = frozenset({"Stalled", "InstanceFailure", "Failed"})
_NOT_YET_BAD = frozenset({"Registering", "Draining", "Cordoned"})
"""Reasons of Ready that tell a state in which somebody wants it."""


def of(obj: Mapping[str, Any]) -> Tone | None:
    """The tone for how an object is; None when that can't be told."""
    status = _mapping(obj.get("status"))
    if _mapping(obj.get("metadata")).get("deletionTimestamp"):
        return Tone.UNDER_WAY
    if obj.get("kind") == "Event":
        return Tone.BAD if obj.get("type") == "Warning" else None
    phase = str(status.get("phase", ""))
    if _mapping(obj.get("spec")).get("desired") == "Stopped" and phase not in _AT_AN_END:
        return Tone.UNDER_WAY
    if phase == "Exited":
        return Tone.BAD if status.get("exitCode") else Tone.GOOD
    return _by_conditions(_conditions(status), _BY_PHASE.get(phase))


def _by_conditions(found: Mapping[str, tuple[str, str]], by_phase: Tone | None) -> Tone | None:
    def is_true(kind: str) -> bool:
        return found.get(kind, ("", ""))[0] == "True"

    if is_true("Stalled"):
        return Tone.BAD
    if by_phase is not None:
        return by_phase
    status, reason = found.get("Ready", ("", ""))
    if reason in _NOT_YET_BAD or (status == "False" and is_true("Reconciling")):
        return Tone.UNDER_WAY
    return _BY_READY.get(status)


def of_condition(type_: str, status: str) -> Tone:
    """How a condition reads: that work is under way, and that something is wrong, are told by True."""
    if type_ in _WRONG:
        return Tone.BAD if status == "True" else Tone.QUIET
    if type_ == "Reconciling":
        return Tone.UNDER_WAY if status == "True" else Tone.QUIET
    return {"True": Tone.GOOD, "False": Tone.BAD}.get(status, Tone.UNDER_WAY)


def _conditions(status: Mapping[str, Any]) -> Mapping[str, tuple[str, str]]:
    """Status and reason by type, of what may have been written by anybody."""
    told = status.get("conditions")
    entries = [one for one in told if isinstance(one, dict)] if isinstance(told, list | tuple) else []
    return {str(one.get("type")): (str(one.get("status")), str(one.get("reason"))) for one in entries}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
