"""Which clusters can hold this StarLink."""

from typing import Any

import pytest
from tests.crds import PLURALS, shipped

from starlink.api import schema
from starlink.api.kinds import GROUP

SHIPPED = {f"{plural}.{GROUP}": shipped(plural) for plural in PLURALS}


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ({"major": "1", "minor": "28"}, "the cluster is Kubernetes 1.28, and StarLink needs 1.30 or newer"),
        ({"major": "1", "minor": "9+"}, "the cluster is Kubernetes 1.9, and"),
        ({"major": "1", "minor": "30"}, ""), ({"major": "1", "minor": "32+"}, ""), ({"major": "2", "minor": "0"}, ""),
        ({}, ""), ({"major": "", "minor": ""}, ""), ({"major": None, "minor": 7}, ""),
    ],
)  # fmt: skip
def test_a_cluster_may_be_too_old(version: Any, told: str) -> None:
    said = schema.too_old(version)
    assert said.startswith(told) and bool(said) is bool(told)


def test_the_crds_of_this_version_are_good_for_it() -> None:
    assert set(schema.CRDS) <= set(SHIPPED)
    for name, crd in SHIPPED.items():
        assert schema.level_of(crd) == schema.LEVEL, f"{name} has no {schema.ANNOTATION}: {schema.LEVEL}"
        assert schema.fault(name, crd) == "" and not schema.is_newer(crd)


def changed(level: Any, versions: Any = None) -> dict[str, Any]:
    annotations = None if level is None else {schema.ANNOTATION: level}
    return {
        "metadata": {"annotations": annotations},
        "spec": {"versions": versions or [{"name": "v1alpha1", "served": True}]},
    }


@pytest.mark.parametrize(
    ("crd", "told"),
    [
        (None, "CRD t is not there"),
        (changed(None), f"CRD t is of schema 0, and this StarLink needs {schema.LEVEL}"),
        (changed("x"), "CRD t is of schema 0"),
        (changed("1", [{"name": "v1", "served": True}, {"name": "v1alpha1", "served": False}]), "CRD t serves v1, and this StarLink speaks v1alpha1"),
        (changed("1", [{"name": "v1alpha1", "served": False}]), "CRD t serves nothing"),
    ],
)  # fmt: skip
def test_crds_of_another_version_are_told_with_what_to_do(crd: Any, told: str) -> None:
    assert schema.fault("t", crd).startswith(told)


def test_newer_crds_serve_an_older_operator() -> None:
    newer = changed(str(schema.LEVEL + 1))
    assert schema.fault("t", newer) == "" and schema.is_newer(newer)
