"""What a person is told of a manifest that is refused, by `starlink` and by kubectl itself."""

import json
from typing import Any

import pytest
from tests.conftest import Kubectl, Starlink

REST_OF_COMMAND = '[python3, server.py]; for a shell line write [sh, -c, "…"]'


def task(spec: dict[str, Any], **template: Any) -> str:
    body = {"apiVersion": "starlink.dev/v1alpha1", "kind": "Task", "metadata": {"name": "web"}}
    return json.dumps({**body, "spec": {"template": {"command": ["sleep", "1"], **template}, **spec}})


def told(starlink: Starlink, kubectl: Kubectl, given: str) -> tuple[str, str]:
    """What `starlink apply`, as `plan` does, and kubectl say against it; none may apply anything."""
    words = ("-f", "-")
    apply, plan = (starlink.cli(verb, *words, stdin=given, check=False) for verb in ("apply", "plan"))
    create = kubectl("create", *words, stdin=given, check=False)
    assert all(one.returncode == 1 for one in (apply, plan, create)) and not starlink.items("tasks")
    assert apply.stderr == plan.stderr
    return apply.stderr, create.stderr


def refused(*lines: str) -> str:
    return "\n  ".join(("Error: standard input, document 1:", *lines)) + "\n"


def test_an_unknown_field_has_ours_beside_it(starlink: Starlink, kubectl: Kubectl) -> None:
    ours, theirs = told(starlink, kubectl, task({}, image="nginx", env={"A": "b"}, frob=1))
    fields = (
        'unknown field "spec.template.env.A" (env must be a list, such as [{name: LEVEL, value: info}])',
        'unknown field "spec.template.frob"',
        'unknown field "spec.template.image" (a Task runs a program, not an image: name an archive in '
        "spec.template.artifact, or a program in command)",
    )
    assert ours == refused(*fields)
    assert theirs.endswith(f"strict decoding error: {', '.join(fields)}\n")


def test_a_misspelled_field_has_the_right_one_or_its_place_beside_it(starlink: Starlink, kubectl: Kubectl) -> None:
    given = task({"replica": 2, "restart": {}}, enviroment=[], resources={"cpus": 1})
    ours, theirs = told(starlink, kubectl, given)
    fields = (
        'unknown field "spec.replica" (did you mean replicas?)',
        'unknown field "spec.restart" (restart belongs under spec.template)',
        'unknown field "spec.template.enviroment" (did you mean env?)',
        'unknown field "spec.template.resources.cpus" (did you mean cpu, under spec.template.resources.requests?)',
    )
    assert ours == refused(*fields)
    assert theirs.endswith(f"strict decoding error: {', '.join(fields)}\n")


def test_so_it_is_when_an_object_is_changed(starlink: Starlink) -> None:
    """A patch is refused in other words than a new object."""
    starlink.apply(json.loads(task({"replicas": 0})))
    done = starlink.cli("apply", "-f", "-", stdin=task({"replica": 2}), check=False)
    starlink.cli("delete", "task", "web")
    assert done.stderr == 'Error: standard input, document 1: unknown field "spec.replica" (did you mean replicas?)\n'


def test_a_pool_has_its_own_fields(starlink: Starlink, kubectl: Kubectl) -> None:
    pool = {"apiVersion": "starlink.dev/v1alpha1", "kind": "Pool", "metadata": {"name": "edge"}}
    ours, theirs = told(starlink, kubectl, json.dumps({**pool, "spec": {"quota": {"cpus": 2}, "image": "x"}}))
    fields = 'unknown field "spec.image"', 'unknown field "spec.quota.cpus" (did you mean cpu?)'
    assert ours == refused(*fields) and theirs.endswith(f"strict decoding error: {', '.join(fields)}\n")


def test_quantities_and_durations_are_refused_with_what_was_meant(starlink: Starlink, kubectl: Kubectl) -> None:
    requests = {"memory": "12 GB", "cpu": "500 m", "gpu": "lots"}
    given = task({"placement": {"lostAfter": "5 minutes"}}, resources={"requests": requests}, logs={"maxSize": "10 MB"})
    ours, theirs = told(starlink, kubectl, given)
    form = (
        "must be a quantity: a number with at most three decimals and, right behind it, a unit or none, such as 500m of "
        "cpu or 512Mi of memory, at most 999Ti"
    )
    right = {
        ("spec.template.logs.maxSize", "10 MB"): "must be a size in bytes: write 10Mi or 10M",
        ("spec.template.resources.requests.memory", "12 GB"): "must be a quantity: write 12Gi or 12G",
        ("spec.template.resources.requests.cpu", "500 m"): "must be a quantity: write 500m",
        ("spec.template.resources.requests.gpu", "lots"): form,
        ("spec.placement.lostAfter", "5 minutes"): "must be a duration: write 5m",
    }
    lines = {f'{field}: "{value}" {words}' for (field, value), words in right.items()}
    assert {line.strip() for line in ours.splitlines()[1:]} == lines
    for (field, value), words in right.items():
        assert f'* {field}: Invalid value: "{value}": {field} in body {words}\n' in theirs
    assert "[0-9]" not in theirs


def test_a_value_of_another_type_is_refused_with_the_right_one_alone(starlink: Starlink, kubectl: Kubectl) -> None:
    ours, theirs = told(starlink, kubectl, task({}, command="sleep 1000"))
    right = f"must be a list of words, such as {REST_OF_COMMAND}"
    assert ours == f'Error: standard input, document 1: spec.template.command: "sleep 1000" {right}\n'
    said = 'spec.template.command in body must be of type array: "string"'
    assert f'* spec.template.command: Invalid value: "string": {said} ({right})\n' in theirs
    assert '* <nil>: Invalid value: "null": some validation rules were not checked' in theirs


@pytest.mark.parametrize(
    ("api_version", "kind", "right"),
    [
        ("apps/v1", "Deployment", "in its place StarLink has a Task (apiVersion: starlink.dev/v1alpha1) with spec: {"),
        ("batch/v1", "CronJob", "in its place StarLink has a Task (apiVersion: starlink.dev/v1alpha1) with spec: {"),
        ("starlink.dev/v1alpha1", "Taks", "write apiVersion: starlink.dev/v1alpha1 and kind: Task"),
        ("starlink.dev/v1", "Task", "write apiVersion: starlink.dev/v1alpha1 and kind: Task"),
    ],
)
def test_a_kind_that_is_not_served_has_ours_in_its_place(
    starlink: Starlink, api_version: str, kind: str, right: str
) -> None:
    given = json.dumps({"apiVersion": api_version, "kind": kind, "metadata": {"name": "web"}})
    for verb in ("apply", "plan", "delete"):
        done = starlink.cli(verb, "-f", "-", stdin=given, check=False)
        assert done.returncode == 1 and "ControllerRevision" not in done.stderr
        assert f"apiVersion '{api_version}', kind '{kind}' is not served; {right}" in done.stderr
