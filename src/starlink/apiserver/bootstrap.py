"""What is there from the first start on: namespaces and the shipped CRDs."""

from starlink.apiserver.definitions import Definitions
from starlink.apiserver.objects import Objects
from starlink.apiserver.options import WriteOptions
from starlink.apiserver.resource import Registry
from starlink.assets import asset_dir
from starlink.manifest import load

NAMESPACES = ("default", "kube-system", "starlink-servers")
"""kube-system's UID is the cluster's identity."""


async def bootstrap(objects: Objects, registry: Registry, definitions: Definitions) -> None:
    """Makes what is missing; brings the shipped CRDs up to date."""
    namespaces = registry.get("", "v1", "namespaces")
    crds = registry.get("apiextensions.k8s.io", "v1", "customresourcedefinitions")
    assert namespaces is not None and crds is not None
    for name in NAMESPACES:
        if not objects.exists(namespaces, "", name):
            await objects.create(namespaces, "", {"metadata": {"name": name}}, WriteOptions())
    for path in sorted(asset_dir("crds").glob("*.yaml")):
        await definitions.apply(crds, load(path))
