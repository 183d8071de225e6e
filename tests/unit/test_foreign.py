"""Of an exception that nobody foresaw only our words and the system's are told."""

import json
import logging
import sys

import pytest

from starlink.foreign import said
from starlink.log import JsonFormatter, PlainFormatter
from starlink.manifest import BadManifest


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("hunter2"), "ValueError"),
        (KeyError("hunter2"), "KeyError"),
        (UnicodeDecodeError("utf-8", b"hunter2", 0, 1, "hunter2"), "UnicodeDecodeError"),
        (OSError(28, "No space left on device", "/srv/hunter2"), "OSError: No space left on device"),
        (PermissionError(13, "Permission denied", "/srv/hunter2"), "PermissionError: Permission denied"),
        (OSError("hunter2"), "OSError"),
        (BadManifest("a.yaml is not valid YAML"), "BadManifest: a.yaml is not valid YAML"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_is_told(error: Exception, told: str) -> None:
    assert said(error) == told
    try:
        raise error
    except Exception:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "it failed", (), sys.exc_info())
    line = JsonFormatter("agent").format(record)
    assert "hunter2" not in line and json.loads(line)["error"].startswith(f"{told}:\n")
    assert "test_what_is_told" in line
    record.exc_text = None
    plain = PlainFormatter().format(record)
    assert "hunter2" not in plain and plain.startswith(f"ERROR: it failed\n{told}:\n")
