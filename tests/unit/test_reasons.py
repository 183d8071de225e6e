"""docs/reasons.md has every reason that the code gives, and none that it does not."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.conftest import ROOT

from starlink.cli.next_steps import IN_DESCRIPTION, IN_OUTPUT

PLACES = (
    "src/starlink/planning", "src/starlink/engine", "src/starlink/artifacts", "operator/starlink_operator",
    "nodeagent/starlink_nodeagent", "src/starlink/apiserver/controllers/bonds.py", "src/starlink/api/refusal.py",
    "src/starlink/api/remedy.py", "src/starlink/api/checks.py",
)  # fmt: skip
"""Where reasons are given."""
COMPOSED = {'f"Task{verdict.phase}"': {"TaskComplete", "TaskFailed"}}
"""Those that are no literals."""
PHASES = {"Pending", "Preparing", "Starting", "Running", "Stopping", "Stopped", "Exited", "Failed"}
"""What an Assignment gives as its reason while there is nothing to say (nodeagent, report.py)."""
NO_REASONS = {
    *(
        "Ready",
        "Reconciling",
        "Stalled",
        "Scheduled",
        "Available",
        "InstanceFailure",
        "ResultsLeftOut",
        "QuotaAvailable",
    ),  # conditions
    *("True", "False", "Unknown", "Normal", "Warning", "Degraded", "Status"),  # what they and objects say
    *("Event", "Instance", "SelfSubjectAccessReview", "SelfSubjectReview", "Task"),  # kinds
    *(
        "All",
        "Authorization",
        "NoExecute",
        "DoNotSchedule",
        "Never",
        "OnFailure",
        "Driver",
        "Process",
        "Driver",
        "Features",
        "Gi",
        "Hostname",
        "InternalIP",
        "Party",
        "PowerPC",
        "LoongArch",
        "Spread",
        "Unread",
    ),
}
"""What looks like a reason and is none. `Complete` and `BelowWatermark` are both."""
_WORD = re.compile(r"[A-Z][a-z]+(?:[A-Z]+[a-z]*)*")
_ROW = re.compile(r"^\| `(\w+)` \| \S.*\S \| \S.*\S \|$", re.MULTILINE)


def files() -> Iterator[Path]:
    for place in PLACES:
        path = ROOT / place
        yield from sorted(path.rglob("*.py")) if path.is_dir() else (path,)


@cache
def words() -> tuple[tuple[str, str], ...]:
    """What looks like a reason, and where."""
    return tuple(
        (node.value, f"{path.relative_to(ROOT)}:{node.lineno}")
        for path in files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _WORD.fullmatch(node.value)
    )


def documented() -> list[str]:
    return _ROW.findall((ROOT / "docs" / "reasons.md").read_text())


def test_every_reason_is_on_the_page_once() -> None:
    page = documented()
    missing = {word: where for word, where in words() if word not in {*page, *NO_REASONS}}
    assert missing == {}, "give each a row in docs/reasons.md, or add it to NO_REASONS here"
    assert sorted(set(page)) == sorted(page)


def test_every_row_of_the_page_is_a_reason() -> None:
    given = {word for word, _ in words()} | PHASES
    sources = "\n".join(path.read_text() for path in files())
    for template, composed in COMPOSED.items():
        assert template in sources
        given |= composed
    assert {*documented()} - given == set()
    assert {*documented()} & NO_REASONS == set()


def test_every_line_of_its_tables_is_whole() -> None:
    text = (ROOT / "docs" / "reasons.md").read_text()
    assert len(re.findall(r"^\| `", text, re.MULTILINE)) == len(documented())


def sent_to(command: str) -> set[str]:
    """The reasons for which the page sends to a command."""
    rows = (ROOT / "docs" / "reasons.md").read_text().splitlines()
    return {row.split("`")[1] for row in rows if row.startswith("| `") and f"`{command}" in row.split(" | ")[-1]}


def test_the_next_step_that_commands_name_is_that_of_the_page() -> None:
    assert sent_to("starlink logs") == IN_OUTPUT
    assert sent_to("starlink describe task") == IN_DESCRIPTION
