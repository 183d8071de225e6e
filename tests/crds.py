"""StarLink's CRDs as they are shipped."""

import functools
from typing import Any

import msgspec
from tests.conftest import ROOT

from starlink.api.kinds import GROUP
from starlink.manifest import load

PLURALS = ("assignments", "pools", "servers", "tasks")


def shipped(plural: str) -> dict[str, Any]:
    """That of a kind, which the caller may change."""
    found: dict[str, Any] = msgspec.json.decode(_read(plural))
    return found


@functools.cache
def _read(plural: str) -> bytes:
    return msgspec.json.encode(load(ROOT / "crds" / f"{plural}.{GROUP}.yaml"))


def schema_of(plural: str) -> dict[str, Any]:
    """The schema of a kind's one version."""
    found: dict[str, Any] = shipped(plural)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found
