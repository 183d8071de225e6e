"""What other systems call otherwise, and patterns, in words."""

import re
from typing import Any

import pytest
import yaml
from tests.conftest import ROOT

from starlink.api.habits import FIELDS, KINDS, TYPES, of_field, of_kind, with_habits
from starlink.api.patterns import OURS, WORDS, in_words, with_words

CRDS = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]


def patterns(value: Any) -> set[str]:
    if isinstance(value, list):
        return {one for part in value for one in patterns(part)}
    if not isinstance(value, dict):
        return set()
    own = {value["pattern"]} if isinstance(value.get("pattern"), str) else set()
    return own | {one for part in value.values() for one in patterns(part)}


def test_quantities_and_durations_of_all_schemas_have_words() -> None:
    found = patterns(CRDS)
    assert found >= WORDS.keys()
    assert {one for one in found if "Ki" in one or "ms" in one} == OURS.keys()


@pytest.mark.parametrize("pattern", sorted(WORDS))
def test_words_keep_the_pattern_behind_them_and_are_said_once(pattern: str) -> None:
    told = with_words(f"spec.x: Invalid value: \"?\": spec.x in body should match '{pattern}'")
    assert "spec.x in body must " in told and told.endswith(f" (it should match '{pattern}')")
    assert with_words(told) == told
    assert in_words("^x$") == "should match '^x$'" == with_words("should match '^x$'")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("spec.template.image", "spec.template.artifact"),
        ("spec.template.containers", "right below spec.template"),
        ("spec.template.resources.limits", "resources.requests"),
        ("spec.template.ports[0].containerPort", "write port"),
        ("spec.template.env.LEVEL", "env is a list"),
        ("spec.template.spec", "has no spec"),
        ("spec.template.env[0].frob", ""),
        ("spec.frob", ""),
    ],
)
def test_a_field_of_another_system_has_ours_beside_it(path: str, words: str) -> None:
    assert words in of_field(path) and bool(of_field(path)) == bool(words)


def test_a_refusal_says_it_once_and_of_what_has_nothing_near_nothing() -> None:
    plain = 'strict decoding error: unknown field "spec.template.image", unknown field "spec.frob"'
    told = with_habits(plain)
    assert told == plain.replace('image"', f'image" ({FIELDS["image"]})') and with_habits(told) == told
    wrong = (
        'spec.template.command: Invalid value: "string": spec.template.command in body must be of type array: "string"'
    )
    assert with_habits(wrong) == f"{wrong} ({TYPES['command']})"
    assert of_kind("Deployment") and not of_kind("CronJob")


def test_no_habit_is_a_field_that_a_task_has_there() -> None:
    """A field that is both would be told of where a person only put it into the wrong place."""
    task = next(crd for crd in CRDS if crd["spec"]["names"]["kind"] == "Task")
    spec = task["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    template = spec["template"]["properties"]
    assert not (FIELDS.keys() & spec.keys() or FIELDS.keys() & template.keys())


def test_the_documented_table_is_the_one_that_is_told() -> None:
    text = (ROOT / "docs/from-kubectl.md").read_text()
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.*) \|$", text, re.M))
    assert rows == {**KINDS, **FIELDS, **TYPES}
