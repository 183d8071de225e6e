"""What a driver has found, as the file says into which it writes it: anything may lie there.

A driver runs as the agent, but what it writes comes from the world: from a command's output, or a stranger's server.
"""

import contextlib
import stat
from pathlib import Path
from typing import Any

import msgspec

from starlink.api import shapes
from starlink.api.assignment import LARGEST_RESULT
from starlink.api.shapes import Schema
from starlink.files import regular
from starlink_nodeagent.failures.shortage import is_agents_lack
from starlink_nodeagent.runtimes.contract import Finding

INVALID = "InvalidResult"
_DEEPEST = 32
_SMALLEST_NUMBER, _LARGEST_NUMBER = -(2**63), 2**63 - 1
"""Of the whole numbers that an API server keeps as they are."""


def read(path: Path, schema: Schema) -> Finding:
    """What a file of the schema says; nothing where there is none. Never waits, follows no link, and reads no more than
    a result may have. Raises OSError when the agent lacks what it takes."""
    try:
        kind = stat.S_IFMT(path.lstat().st_mode)
    except OSError as error:
        if is_agents_lack(error):
            raise
        return Finding()
    content = regular.read_head(path, LARGEST_RESULT + 1) if kind == stat.S_IFREG else None
    if content is None:
        return _invalid("what lies in the place of the result is no file that can be read")
    if len(content) > LARGEST_RESULT:
        return _invalid(f"the result has more than {LARGEST_RESULT} bytes; a driver says it in fewer")
    return _judged(content, schema)


def _judged(content: bytes, schema: Schema) -> Finding:
    value: Any = None
    with contextlib.suppress(ValueError, RecursionError):  # JSON that can't be read, or is too deep to be
        value = msgspec.json.decode(content)
    if not isinstance(value, dict):
        return _invalid("the result is no JSON object, or one that is too deep")
    if _is_too_deep(value):
        return _invalid(f"the result has more than {_DEEPEST} levels")
    if why := shapes.fault(schema, value, "result", quoted=False):
        return _invalid(why)
    return Finding(_plain(value))


def _invalid(why: str) -> Finding:
    return Finding(None, INVALID, why)


def _is_too_deep(value: object) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [part for one in level for part in _parts(one)]
    return bool(level)


def _parts(value: object) -> list[object]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _plain(value: Any) -> Any:
    """The value as an API server keeps it: what is null is left out, and a number that is too large is inexact."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_plain(part) for part in value if part is not None]
    if isinstance(value, int) and not _SMALLEST_NUMBER <= value <= _LARGEST_NUMBER:
        return float(value)
    return value
