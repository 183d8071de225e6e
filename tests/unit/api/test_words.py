"""What other systems call otherwise, and patterns, in words."""

import re
from typing import Any

import pytest
import yaml
from tests.conftest import ROOT
from tests.crds import PLURALS, schema_of, shipped

from starlink.api.habits import FIELDS, KINDS, TYPES, of_field, of_form, of_kind
from starlink.api.kinds import STARLINK_KINDS
from starlink.api.patterns import MEASURES, WORDS, in_words, is_met
from starlink.apiserver.validation.compiled import StructuralSchema

CRDS = [shipped(plural) for plural in PLURALS]
TASK_SCHEMA = schema_of("tasks")


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
    assert {one for one in found if "Ki" in one or "ms" in one} == MEASURES.keys()


@pytest.mark.parametrize("pattern", sorted(WORDS))
def test_words_stand_in_the_place_of_a_pattern(pattern: str) -> None:
    said = in_words(pattern, "?")
    assert said.startswith("must ") and "[0-9" not in said and "[a-z" not in said
    assert not in_words("^x$", "?")


@pytest.mark.parametrize("pattern", sorted(MEASURES))
def test_the_example_of_a_measure_fits(pattern: str) -> None:
    """What the words show as right is right, up to the most that they name."""
    words = re.findall(r"(?:such as|or|most|,) ([0-9]+\w*)", in_words(pattern, "?"))
    assert len(words) >= 2 and all(is_met(pattern, word) for word in words)


def test_what_was_likely_meant_is_told_in_place_of_the_form() -> None:
    quantity, duration = (next(one for one in MEASURES if unit in one) for unit in ("Ti", "ms"))
    assert in_words(quantity, "12 GB") == "must be a quantity: write 12Gi or 12G"
    assert in_words(duration, "5 minutes") == "must be a duration: write 5m"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("spec.template.image", "spec.template.artifact"),
        ("spec.template.containers", "right below spec.template"),
        ("spec.template.resources.limits", "resources.requests"),
        ("spec.template.ports[0].containerPort", "write port"),
        ("spec.template.env.LEVEL", "env must be a list"),
        ("spec.template.spec", "has no spec"),
        ("spec.template.env[0].frob", ""),
        ("spec.frob", ""),
    ],
)
def test_a_field_of_another_system_has_ours_beside_it(path: str, words: str) -> None:
    assert words in of_field(path) and bool(of_field(path)) == bool(words)


def test_a_field_of_another_form_has_ours_wherever_a_template_has_it() -> None:
    assert of_form("spec.template.command") == TYPES["command"] == of_form("spec.template.probes.startup.exec.command")
    assert not of_form("spec.template.workingDir") and not of_form("spec.command")


@pytest.mark.parametrize("kind", ["Deployment", "deployments", "CronJob", "Pods", "StatefulSet"])
def test_a_kind_of_another_system_has_ours_in_its_place(kind: str) -> None:
    assert of_kind(kind).startswith("in its place StarLink has a Task (apiVersion: starlink.dev/v1alpha1) with spec: {")


@pytest.mark.parametrize("kind", ["Ingress", "Foo", "", *(kind.kind for kind in STARLINK_KINDS)])
def test_other_kinds_have_none(kind: str) -> None:
    assert of_kind(kind) == ""


@pytest.mark.parametrize("kind", sorted(kind for kind, words in KINDS.items() if " with spec: " in words))
def test_a_task_in_the_place_of_a_kind_is_a_valid_one(kind: str) -> None:
    spec = yaml.safe_load(KINDS[kind][KINDS[kind].index("{") : KINDS[kind].rindex("}") + 1])
    task = {"apiVersion": "starlink.dev/v1alpha1", "kind": "Task", "metadata": {"name": "web"}, "spec": spec}
    schema = StructuralSchema(TASK_SCHEMA)
    shaped, unknown = schema.conform(task, defaults=True)
    assert not unknown and not schema.validate(shaped, None)


def test_no_habit_is_a_field_that_a_task_has_there() -> None:
    """A field that is both would be told of where a person only put it into the wrong place."""
    spec = TASK_SCHEMA["properties"]["spec"]["properties"]
    template = spec["template"]["properties"]
    assert not (FIELDS.keys() & spec.keys() or FIELDS.keys() & template.keys())


def test_the_documented_table_is_the_one_that_is_told() -> None:
    text = (ROOT / "docs/from-kubectl.md").read_text()
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.*) \|$", text, re.M))
    assert rows == {**KINDS, **FIELDS, **TYPES}
