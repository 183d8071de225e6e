"""What a plan has as data is explained: each of its words stands on a page."""

import re
from collections.abc import Iterator
from typing import Any, get_args

import yaml
from tests.conftest import ROOT

from starlink.api.refusal import Code
from starlink.api.remedy import WORDS
from starlink.engine.foresight.preview import Sequel
from starlink.scheduling.filters import BY_KIND

GOLDEN = ROOT / "tests" / "golden" / "previews" / "data.txt"
BY_LOAD = {"Cpu", "Memory", "Ports", "Affinity", "AntiAffinity", "Spread", "Quota"}


def page(name: str, pattern: str) -> set[str]:
    """The words of a page's tables, of the first column."""
    rows = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs" / name).read_text(), re.MULTILINE)
    return {word for row in rows for word in re.findall(pattern, row)}


def words(data: Any, *names: str) -> Iterator[str]:
    """What the fields of these names say, wherever they are."""
    if isinstance(data, list):
        for one in data:
            yield from words(one, *names)
    elif isinstance(data, dict):
        yield from (value for name, value in data.items() if name in names and value)
        for value in data.values():
            yield from words(value, *names)


def planned() -> Any:
    return yaml.safe_load(GOLDEN.read_text().partition("---\n")[2])


def test_every_code_is_on_the_page_of_reasons() -> None:
    found = set(words(planned(), "code", "leaves", "sequel"))
    assert {"NothingFits", "PoolNotFound", "NewServer", "RaiseBy", "Preempted", "NoServer"} <= found
    assert {*found, *WORDS, *get_args(Code), *filter(None, get_args(Sequel))} - page("reasons.md", r"`(\w+)`") == set()


def test_every_filter_is_on_the_page_of_placement() -> None:
    assert set(words(planned(), "filter")) == {"Cpu", "Pool"}
    assert {*(kind.name for kind in BY_KIND), *BY_LOAD} - page("scheduling.md", r"\w+") == set()
