"""The resources that are there without a CRD."""

from functools import cache
from pathlib import Path
from typing import Any

from starlink.apiserver.resource import Column, Resource
from starlink.apiserver.schema import StructuralSchema
from starlink.manifest import load

_CREATED_AT = Column("Created At", "date", ".metadata.creationTimestamp", format="date-time")
_AGE = Column("Age", "date", ".metadata.creationTimestamp")


def builtin_resources() -> tuple[Resource, ...]:
    """Namespaces, ServiceAccounts, Events, Leases and CustomResourceDefinitions."""
    return (
        Resource(
            "", "v1", "namespaces", "namespace", "Namespace", False, _schema("Namespace"),
            short_names=("ns",), columns=(Column("Status", "string", ".status.phase"), _AGE), status=True,
            generation=False,
        ),
        Resource(
            "", "v1", "serviceaccounts", "serviceaccount", "ServiceAccount", True, _schema("ServiceAccount"),
            short_names=("sa",), columns=(_AGE,), generation=False,
        ),
        Resource(
            "", "v1", "events", "event", "Event", True, _schema("Event"),
            short_names=("ev",), generation=False,
        ),
        Resource(
            "coordination.k8s.io", "v1", "leases", "lease", "Lease", True, _schema("Lease"),
            columns=(Column("Holder", "string", ".spec.holderIdentity"), _AGE), generation=False,
        ),
        Resource(
            "apiextensions.k8s.io", "v1", "customresourcedefinitions", "customresourcedefinition",
            "CustomResourceDefinition", False, _schema("CustomResourceDefinition"),
            short_names=("crd", "crds"), columns=(_CREATED_AT,),
            categories=("api-extensions",), status=True,
        ),
    )  # fmt: skip


def _schema(kind: str) -> StructuralSchema:
    return StructuralSchema(_schemas()[kind])


@cache
def _schemas() -> dict[str, Any]:
    schemas: dict[str, Any] = load(Path(__file__).with_name("builtin.yaml"))
    return schemas
