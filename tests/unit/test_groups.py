"""The error that says why a group of tasks has ended."""

import ast

import pytest
from tests.conftest import ROOT

from starlink.groups import cause


class Known(Exception):
    pass


KNOWN = Known("why")


@pytest.mark.parametrize("group", [
    BaseExceptionGroup("tasks", [KNOWN]),
    ExceptionGroup("tasks", [ExceptionGroup("their tasks", [KNOWN])]),
    ExceptionGroup("tasks", [KNOWN, Known("another")]),
])  # fmt: skip
def test_what_was_expected_is_the_cause(group: BaseExceptionGroup[BaseException]) -> None:
    assert cause(group, ValueError, Known) is KNOWN


def test_what_was_not_expected_is_not_swallowed() -> None:
    for group in (ExceptionGroup("tasks", [KNOWN, ValueError()]), ExceptionGroup("tasks", [ValueError()])):
        assert cause(group, Known) is group


@pytest.mark.parametrize("folder", ["src", "operator", "nodeagent"])
def test_nothing_is_raised_within_an_except_star(folder: str) -> None:
    """On Python 3.11.2 it comes out in a group again: a traceback in place of a message."""
    texts = [path.read_text() for path in (ROOT / folder).rglob("*.py")]
    trees = [ast.parse(text) for text in texts if "except*" in text.replace(" ", "")]
    handlers = [
        one for tree in trees for node in ast.walk(tree) if isinstance(node, ast.TryStar) for one in node.handlers
    ]
    assert texts and not [one.lineno for one in handlers for node in ast.walk(one) if isinstance(node, ast.Raise)]
