"""The logs of StarLink's own processes, as a person wants to hear them: words, not JSON. Pure."""

import json
from typing import Any

_TROUBLES = ("warning", "error")
_MOST = 1000
NOTHING = "its log says nothing"


def last_said(log: str) -> str:
    """The last trouble that a log tells, else its last line: a traceback ends with what it is about."""
    lines = [line for line in log.splitlines() if line.strip()]
    if not lines:
        return NOTHING
    found = [_record(line) for line in lines]
    if found[-1] is None:
        return _short(lines[-1].strip().removeprefix("Error: "))
    trouble = next((one for one in reversed(found) if one is not None and one.get("level") in _TROUBLES), found[-1])
    return _short(_words(trouble))


def in_words(log: str) -> list[str]:
    """The log's lines, those of JSON in words."""
    records = ((line, _record(line)) for line in log.splitlines())
    return [f"{record.get('level')}: {_words(record)}" if record else line for line, record in records]


def _record(line: str) -> dict[str, Any] | None:
    """A line that log.JsonFormatter wrote, None for another."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "msg" in found else None


def _words(record: dict[str, Any]) -> str:
    """What it tells, and of an exception its last line."""
    error = str(record.get("error", "")).strip().splitlines()
    return ": ".join([str(record["msg"]), *error[-1:]])


def _short(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"
