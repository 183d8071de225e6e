"""StarLink's CRDs as they are shipped."""

from typing import Any

from tests.conftest import ROOT

from starlink.api.kinds import GROUP
from starlink.manifest import load

PLURALS = ("assignments", "pools", "servers", "tasks")


def shipped(plural: str) -> dict[str, Any]:
    """That of a kind, which the caller may change."""
    found: dict[str, Any] = load(ROOT / "crds" / f"{plural}.{GROUP}.yaml")
    return found


def schema_of(plural: str) -> dict[str, Any]:
    """The schema of a kind's one version."""
    found: dict[str, Any] = shipped(plural)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found
