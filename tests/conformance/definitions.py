"""CRDs that a test makes for itself."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.objects import condition
from tests.conformance.wire import SECONDS, Http
from tests.conftest import eventually

Obj = dict[str, Any]

GROUP = "conformance.example.com"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass(frozen=True, slots=True)
class Installed:
    """A CRD that is served."""

    plural: str
    kind: str
    scope: str = "Namespaced"
    version: str = "v1"
    group: str = GROUP

    @property
    def name(self) -> str:
        return f"{self.plural}.{self.group}"

    @property
    def definition(self) -> str:
        """The path of the CRD itself."""
        return f"{CRDS}/{self.name}"

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "", version: str = "") -> str:
        """The path of its objects, or of one of them."""
        below = f"/namespaces/{namespace}" if namespace else ""
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"/apis/{self.group}/{version or self.version}{below}/{self.plural}{tail}"

    def obj(self, name: str, *, version: str = "", metadata: Obj | None = None, **fields: Any) -> Obj:
        """An object of the kind."""
        named = {"name": name, **(metadata or {})}
        return {"apiVersion": f"{self.group}/{version or self.version}", "kind": self.kind, "metadata": named, **fields}


@dataclass
class Crds:
    """A factory of CRDs, which are removed when the test ends."""

    http: Http
    made: list[Installed] = field(default_factory=list)

    def __call__(
        self, schema: Obj | None = None, *, scope: str = "Namespaced", versions: Sequence[Obj] = (),
        names: Obj | None = None, spec: Obj | None = None, **version: Any,
    ) -> Installed:  # fmt: skip
        """Installs a CRD and gives it once it is served.

        `schema` is the openAPIV3Schema of its one version v1, `version` more fields of that version
        (subresources, additionalPrinterColumns, selectableFields); or `versions` are all of them as they are.
        `names` and `spec` are laid over what is made.
        """
        definition = self.draft(schema, scope=scope, versions=versions, names=names, spec=spec, **version)
        self.http.post(CRDS, definition).expect(201)
        return self.installed(definition)

    def draft(
        self, schema: Obj | None = None, *, scope: str = "Namespaced", versions: Sequence[Obj] = (),
        names: Obj | None = None, spec: Obj | None = None, **version: Any,
    ) -> Obj:  # fmt: skip
        """The CRD that a call would install."""
        suffix = secrets.token_hex(4)
        named = {
            "plural": f"widgets{suffix}", "singular": f"widget{suffix}", "kind": f"Widget{suffix}",
            "listKind": f"Widget{suffix}List", **(names or {}),
        }  # fmt: skip
        one = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema or OPEN}, **version}
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{named['plural']}.{GROUP}"},
            "spec": {
                "group": GROUP, "scope": scope, "names": named, "versions": list(versions) or [one], **(spec or {}),
            },
        }  # fmt: skip

    def installed(self, definition: Obj) -> Installed:
        """The handle of a CRD that was posted, once it is served; it is removed when the test ends."""
        spec = definition["spec"]
        served = [version["name"] for version in spec["versions"] if version["served"]]
        crd = Installed(spec["names"]["plural"], spec["names"]["kind"], spec["scope"], served[0])
        self.made.append(crd)
        eventually(lambda: self._is_established(crd), f"{crd.name} Established", SECONDS)
        for version in served:
            self.until_served(crd.path(version=version))
        return crd

    def until_served(self, path: str) -> None:
        """Waits for a path, which follows its CRD a moment later."""
        eventually(lambda: self.http.get(path).status == 200, f"{path} served", SECONDS)

    def remove(self) -> None:
        for crd in self.made:
            self.http.delete(crd.definition)

    def _is_established(self, crd: Installed) -> bool:
        found = self.http.get(crd.definition).expect(200)
        return condition(found, "Established") == "True"


OPEN: Obj = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
"""A schema that takes anything."""


def obj_of(**properties: Obj) -> Obj:
    """The schema of an object."""
    return {"type": "object", "properties": properties}
