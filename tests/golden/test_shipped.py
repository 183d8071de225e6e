"""The schemas of the shipped CRDs, at which no start looks: this test does. `pytest tests/golden --rewrite` writes
anew by which digests they are known."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import ROOT

from starlink.apiserver.definitions import crd, crd_checks, shipped, stored, structural
from starlink.apiserver.kinds.builtin import builtin_resources
from starlink.apiserver.validation.compiled import StructuralSchema
from starlink.manifest import load

Obj = dict[str, Any]
PATHS = sorted((ROOT / "crds").glob("*.starlink.dev.yaml"))


def versions(obj: Obj) -> Iterator[tuple[str, Obj]]:
    """The versions of a CRD with their names, as a server looks at them before it writes them."""
    (kind,) = (one for one in builtin_resources() if one.plural == "customresourcedefinitions")
    crd.fill_in(obj)
    shaped, _ = kind.schema.conform(obj, defaults=True)
    return ((f"{obj['metadata']['name']}/{version['name']}", version) for version in shaped["spec"]["versions"])


VERSIONS = [version for path in PATHS for version in versions(load(path))]


def test_the_shipped_schemas_are_known(rewrite: bool) -> None:
    lines = [f"{stored.digest_of(one['schema']['openAPIV3Schema']).hex()}  {name}\n" for name, one in VERSIONS]
    if rewrite:
        shipped.FILE.write_text("".join(lines))
    assert shipped.FILE.read_text() == "".join(lines), (
        "a CRD has changed: pytest tests/golden/test_shipped.py --rewrite"
    )


@pytest.mark.parametrize("version", [one for _, one in VERSIONS], ids=[name for name, _ in VERSIONS])
def test_a_shipped_schema_may_be_written(version: Obj) -> None:
    schema = version["schema"]["openAPIV3Schema"]
    assert version["subresources"]["status"] is not None
    assert structural.check(schema, "S", status=True) == []
    StructuralSchema(schema).compile()  # raises where a rule does not compile


def test_a_start_does_not_look_at_a_shipped_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structural, "check", lambda *_, **__: pytest.fail("it looked"))
    for _, version in VERSIONS:
        assert crd_checks.schema_causes(version["schema"]["openAPIV3Schema"], "S", status=True) == []


def test_a_schema_of_another_text_is_looked_at() -> None:
    name, version = VERSIONS[0]
    schema = dict(version["schema"]["openAPIV3Schema"])
    assert shipped.is_shipped(stored.digest_of(schema)), name
    schema["x-kubernetes-validations"] = [{"rule": "self.bogus"}]
    (cause,) = crd_checks.schema_causes(schema, "S", status=True)
    assert "undefined field 'bogus'" in cause.message
