"""Bodies that do not say what they are: taken of the built-in kinds, and refused of custom ones and of what is applied."""

from typing import Any

import pytest
from tests.conformance.conftest import Crds, Http, Installed, configmaps

Obj = dict[str, Any]


@pytest.fixture
def widgets(http: Http, namespace: str, crd: Crds) -> Installed:
    """A kind with one object, a."""
    made = crd()
    http.post(made.path(namespace), made.obj("a")).expect(201)
    return made


@pytest.mark.parametrize("left_out", [("kind",), ("apiVersion",), ("apiVersion", "kind")])
def test_custom_objects_say_what_they_are(
    http: Http, namespace: str, widgets: Installed, left_out: tuple[str, ...]
) -> None:
    def body(name: str) -> Obj:
        whole = http.get(widgets.path(namespace, "a")).expect(200) if name == "a" else widgets.obj(name)
        return {key: value for key, value in whole.items() if key not in left_out}

    http.post(widgets.path(namespace), body("b")).fails(400, "BadRequest")
    http.put(widgets.path(namespace, "a"), body("a")).fails(400, "BadRequest")
    applied = {**body("b"), "metadata": {"name": "b"}}
    http.apply(widgets.path(namespace, "b"), applied).fails(400, "BadRequest")
    assert http.get(widgets.path(namespace, "b")).status == 404


def test_an_empty_body_is_no_custom_object(http: Http, namespace: str, widgets: Installed) -> None:
    http.post(widgets.path(namespace), {}).fails(400, "BadRequest")
    http.put(widgets.path(namespace, "a"), {}).fails(400, "BadRequest")
    http.apply(widgets.path(namespace, "a"), {}).fails(400, "BadRequest")


def test_objects_of_built_in_kinds_need_not(http: Http, namespace: str) -> None:
    made = http.post(configmaps(namespace), {"metadata": {"name": "a"}}).expect(201)
    assert (made["apiVersion"], made["kind"]) == ("v1", "ConfigMap")
    http.put(configmaps(namespace, "a"), {"metadata": {"name": "a"}, "data": {"k": "v"}}).expect(200)
    http.apply(configmaps(namespace, "a"), {"metadata": {"name": "a"}}).fails(400, "BadRequest")
