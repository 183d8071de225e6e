"""What a person who knows kubectl is told, by `starlink` and by kubectl itself."""

import json
from typing import Any

from tests.conftest import Kubectl, Starlink


def task(spec: dict[str, Any], **template: Any) -> str:
    body = {"apiVersion": "starlink.dev/v1alpha1", "kind": "Task", "metadata": {"name": "web"}}
    return json.dumps({**body, "spec": {"template": {"command": ["sleep", "1"], **template}, **spec}})


def told(starlink: Starlink, kubectl: Kubectl, given: str) -> list[str]:
    """What each command says against it; none may apply anything."""
    words = ("-f", "-")
    done = [starlink.cli(verb, *words, stdin=given, check=False) for verb in ("apply", "plan")]
    done.append(kubectl("create", *words, stdin=given, check=False))
    assert all(one.returncode == 1 for one in done) and not starlink.items("tasks")
    return [one.stderr for one in done]


def test_an_unknown_field_has_ours_beside_it(starlink: Starlink, kubectl: Kubectl) -> None:
    for said in told(starlink, kubectl, task({}, image="nginx", env={"A": "b"}, frob=1)):
        assert 'unknown field "spec.template.image" (a Task runs a program, not an image: name an archive in ' in said
        assert 'unknown field "spec.template.env.A" (env is a list, such as [{name: LEVEL, value: info}])' in said
        assert "is invalid: patch" not in said
        assert 'unknown field "spec.template.frob", ' in said and said.count("not an image") == 1


def test_quantities_and_durations_are_refused_in_words(starlink: Starlink, kubectl: Kubectl) -> None:
    given = task({"type": "Batch", "deadline": "5 minutes"}, resources={"requests": {"memory": "12 GB"}})
    for said in told(starlink, kubectl, given):
        assert (
            'Invalid value: "12 GB": ' in said and "must be a quantity: a number and, right behind it, a unit" in said
        )
        assert 'Invalid value: "5 minutes": ' in said and "must be a duration: numbers, each with its unit" in said
        assert said.count("(it should match '^") == 2


def test_a_kind_that_is_not_served_has_ours_beside_it(starlink: Starlink) -> None:
    given = json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}})
    done = starlink.cli("apply", "-f", "-", stdin=given, check=False)
    assert done.returncode == 1 and "kind 'Deployment' is not served" in done.stderr
    assert done.stderr.endswith(". StarLink's is a Task: spec.replicas instances of spec.template\n")
