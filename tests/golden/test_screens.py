"""What people see of objects, a file a case: the screen and what the API says in YAML, and below the line the text.

`pytest tests/golden --rewrite` writes what is below the line anew; read the diff.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from rich.cells import cell_len

from starlink.api.assignment import Assignment
from starlink.api.kinds import TASK
from starlink.api.pool import Pool
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.api.timestamp import parse_time
from starlink.cli import describing, hints, servers, status
from starlink.cli.hints import LogsOf
from starlink.cli.rows import Rows
from starlink.cli.screen import Screen
from starlink.cli.sections import Event

CASES = Path(__file__).parent / "screens"
LINE = "---\n"
NOW = parse_time("2026-01-02T03:04:05Z")


def told_to(words: str) -> str:
    return f"starlink --data-dir D {words}"


def on_machine_of(here: Sequence[str]) -> LogsOf:
    """As on the machine where these servers' agents are."""
    return partial(hints.way_to_logs, command=told_to, is_here=here.__contains__)


def many(found: list[Any] | None, view: type[Any]) -> list[Any] | None:
    return None if found is None else [msgspec.convert(one, view) for one in found]


def told(case: dict[str, Any], screen: Screen) -> str:
    """The text of a case."""
    if "table" in case:
        rows = Rows(case["table"], screen, wide=case.get("wide", False), namespaces=case.get("namespaces", False))
        return rows.render(case["rows"])
    logs_of = on_machine_of(case.get("here", ["s2"]))
    if "summary" in case:
        table = {"columnDefinitions": case["summary"], "rows": case["rows"]}
        return status.summary(TASK, table, screen, told_to, logs_of)
    events, its = many(case.get("events", []), Event), case.get("its", [])
    if "task" in case:
        shown = msgspec.convert(case["task"], Task)
        found = describing.task(shown, many(its, Assignment), events, NOW, told_to, logs_of)
    elif "server" in case:
        found = describing.server(msgspec.convert(case["server"], Server), many(its, Assignment), events, NOW, told_to)
    elif "pool" in case:
        found = describing.pool(msgspec.convert(case["pool"], Pool), many(its, Server), events, NOW, told_to)
    elif "servers" in case:
        return servers.render(many(case["servers"], Server) or [], screen, NOW)
    else:
        found = describing.assignment(msgspec.convert(case["assignment"], Assignment), events, NOW, logs_of)
    return found.render(screen)


@pytest.mark.parametrize("path", sorted(CASES.glob("*.txt")), ids=lambda path: path.stem)
def test_a_screen_shows_this(path: Path, rewrite: bool) -> None:
    given, _, expected = path.read_text().partition(LINE)
    case = yaml.safe_load(given)
    screen = Screen(**case.pop("screen"))
    found = told(case, screen)
    if rewrite:
        path.write_text(given + LINE + found)
    else:
        assert found == expected
    if screen.width:
        assert max(map(cell_len, found.splitlines())) <= screen.width
