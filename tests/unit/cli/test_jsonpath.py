"""Templates of `-o jsonpath=`, each with what kubectl prints for it."""

from typing import Any

import pytest

from starlink.cli import jsonpath

TASKS: dict[str, Any] = {
    "kind": "List",
    "items": [
        {
            "metadata": {"name": "web", "labels": {"a.b/c": "x"}},
            "spec": {"replicas": 3, "on": True},
            "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Stalled", "status": "False"}]},
        },
        {"metadata": {"name": "job", "labels": {}}, "spec": {"replicas": 1}, "status": {}},
        {"metadata": {"name": "old"}, "spec": {"replicas": "many"}},
    ],
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.kind}", "List"),
        ("{kind}", "List"),
        ("{$.kind}", "List"),
        ("a {.kind} b", "a List b"),
        ("{.items[*].metadata.name}", "web job old"),
        ("{.items.*.metadata.name}", "web job old"),
        ("{.items[0].metadata.name}", "web"),
        ("{.items[-1:].metadata.name}", "old"),
        ("{.items[0:2].metadata.name}", "web job"),
        ("{.items[9].metadata.name}", ""),
        ("{.items[0].metadata.labels.a\\.b/c}", "x"),
        ("{.items[0].metadata.labels['a.b/c']}", "x"),
        ('{.items[0].metadata.labels["a.b/c"]}', "x"),
        ("{.items[0].spec}", '{"replicas":3,"on":true}'),
        ("{..name}", "web job old"),
        ('{.items[?(@.metadata.name=="job")].spec.replicas}', "1"),
        ("{.items[?(@.spec.replicas>1)].metadata.name}", "web"),
        ("{.items[?(@.spec.replicas>=1)].metadata.name}", "web job"),
        ("{.items[?(@.spec.on)].metadata.name}", "web"),
        ("{.items[?(@.spec.on==true)].metadata.name}", "web"),
        ("{.items[?(@.metadata.name!='web')].metadata.name}", "job old"),
        ('{.items[0].status.conditions[?(@.type=="Ready")].status}', "True"),
        ('{range .items[*]}{.metadata.name}{"\\t"}{.spec.replicas}{"\\n"}{end}', "web\t3\njob\t1\nold\tmany\n"),
        ("{range .items[*]}[{range .status.conditions[*]}{.type},{end}]{end}", "[Ready,Stalled,][][]"),
        ('{"{}"}', "{}"),
        ("{.absent}", ""),
        ("", ""),
    ],
)
def test_a_template_prints(template: str, text: str) -> None:
    assert jsonpath.parse(template).render(TASKS) == text


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{.a", "a brace without its other"),
        (".a}", "a brace without its other"),
        ("{range .a}", "without {end}"),
        ("{end}", "without {range"),
        ("{.a[}", "can't be read from '['"),
        ("{.a[?(@.b=~1)]}", "the filter"),
        ("{.a[?(@.b==c)]}", "is no value"),
        ('{"\\q"}', "no text in quotes"),
        ("{range .a}" * 30 + "{end}" * 30, "ranges within each other"),
    ],
)
def test_what_cannot_be_read_is_said(template: str, why: str) -> None:
    with pytest.raises(jsonpath.BadPath, match=why.replace("[", r"\[").replace("{", r"\{")):
        jsonpath.parse(template)
