"""What a log of StarLink's own says last, for a person."""

import json

import pytest

from starlink.cli.loglines import NOTHING, in_words, last_said


def line(level: str, msg: str, **more: str) -> str:
    return json.dumps({"ts": "2026-11-30T12:00:00.000+00:00", "level": level, "component": "agent", "msg": msg, **more})


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("", NOTHING),
        ("\n\n", NOTHING),
        (line("info", "started"), "started"),
        (f"{line('error', 'no room')}\n{line('info', 'stopped')}\n", "no room"),
        (f"{line('error', 'old')}\n{line('warning', 'new')}\n", "new"),
        (f"{line('info', 'started')}\nTraceback:\n  File\nValueError: what it says\n", "ValueError: what it says"),
        ("Error: it is taken\n", "it is taken"),
        (line("error", "it failed", error="Traceback:\n  File\nOSError: disk\n"), "it failed: OSError: disk"),
        ("[1]", "[1]"),
        ("x" * 5000, "x" * 1000 + "…"),
    ],
)
def test_the_last_trouble_is_told_in_words(log: str, said: str) -> None:
    assert last_said(log) == said


def test_lines_are_told_with_their_level() -> None:
    assert in_words(f"plain\n{line('warning', 'it fell')}\n") == ["plain", "warning: it fell"]
