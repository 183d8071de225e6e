"""What is served, as clients discover it: plain (`/api`, `/apis`, …) and aggregated.

https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from starlink.apiserver.resources.encoding import dump
from starlink.apiserver.resources.resource import Registry, Resource
from starlink.http.media import JSON
from starlink.http.message import Response

_SUBRESOURCE_VERBS = ["get", "patch", "update"]
_AGGREGATED = "as=APIGroupDiscoveryList"
_VERSION = re.compile(r"v(?P<major>[1-9]\d*)((?P<stage>alpha|beta)(?P<minor>[1-9]\d*))?")

Obj = dict[str, Any]


class Discovery:
    """Discovery of a registry, rendered when it is asked for; what is aggregated is kept until the registry changes."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._generation = -1
        self._kept: dict[tuple[bool, str], tuple[bytes, str]] = {}

    def response(self, path: str, headers: Mapping[str, str]) -> Response | None:
        """The answer for a discovery path, None for any other."""
        parts = path.strip("/").split("/")
        if parts[0] not in ("api", "apis") or len(parts) > 3:
            return None
        version = _aggregated_version(headers.get("accept", "")) if len(parts) == 1 else None
        if version is not None:
            return self._aggregated(parts[0] == "api", version, headers.get("if-none-match", ""))
        body = self._core(parts[1:]) if parts[0] == "api" else self._groups(parts[1:])
        return Response(200, dump(body), JSON) if body is not None else None

    def _core(self, rest: list[str]) -> Obj | None:
        if not rest:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        return self._resource_list("", rest[0]) if len(rest) == 1 else None

    def _groups(self, rest: list[str]) -> Obj | None:
        if not rest:
            groups = [self._group(group) for group in self._group_names() if group]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        if rest[0] not in self._group_names() or not rest[0]:
            return None
        if len(rest) == 1:
            return {"kind": "APIGroup", "apiVersion": "v1", **self._group(rest[0])}
        return self._resource_list(rest[0], rest[1])

    def _group_names(self) -> list[str]:
        return sorted({resource.group for resource in self._registry.all()})

    def _versions(self, group: str) -> list[str]:
        found = {resource.version for resource in self._registry.all() if resource.group == group}
        return sorted(found, key=_rank)

    def _group(self, group: str) -> Obj:
        versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in self._versions(group)]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}

    def _resource_list(self, group: str, version: str) -> Obj | None:
        found = self._found(group, version)
        if not found:
            return None
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": found[0].api_version,
            "resources": [entry for resource in found for entry in _plain(resource)],
        }

    def _found(self, group: str, version: str) -> list[Resource]:
        return [r for r in self._registry.all() if (r.group, r.version) == (group, version) and r.verbs]

    def _aggregated(self, core: bool, version: str, known: str) -> Response:
        """`known` is the ETag of what the client has."""
        if self._generation != self._registry.generation:
            self._generation = self._registry.generation
            self._kept = {}
        if (core, version) not in self._kept:
            self._kept[core, version] = self._rendered(core=core, version=version)
        body, etag = self._kept[core, version]
        caching = {"etag": etag, "vary": "Accept", "cache-control": "public"}
        if known == etag:
            return Response(304, b"", caching)
        media = f"application/json;g=apidiscovery.k8s.io;v={version};{_AGGREGATED}"
        return Response(200, body, {"content-type": media, **caching})

    def _rendered(self, *, core: bool, version: str) -> tuple[bytes, str]:
        """The document and its ETag."""
        groups = [group for group in self._group_names() if (group == "") is core]
        body = dump(
            {
                "kind": "APIGroupDiscoveryList",
                "apiVersion": f"apidiscovery.k8s.io/{version}",
                "metadata": {},
                "items": [self._aggregated_group(group) for group in groups],
            }
        )
        return body, f'"{hashlib.sha512(body).hexdigest().upper()}"'

    def _aggregated_group(self, group: str) -> Obj:
        versions = []
        for version in self._versions(group):
            found = self._found(group, version)
            versions.append({"version": version, "resources": [_aggregated(r) for r in found], "freshness": "Current"})
        meta: Obj = {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None}
        return {"metadata": meta, "versions": versions}


def _rank(version: str) -> tuple[int, int, int, str]:
    """Sorts as Kubernetes prefers versions: stable ones first, then beta, then alpha, each the newest first.

    https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#version-priority
    """
    found = _VERSION.fullmatch(version)
    if found is None:
        return 3, 0, 0, version
    stages = ("", "beta", "alpha")
    return stages.index(found["stage"] or ""), -int(found["major"]), -int(found["minor"] or 0), version


def _aggregated_version(accept: str) -> str | None:
    """The version of aggregated discovery that the client prefers, None when it wants the plain one."""
    for media in accept.split(","):
        if _AGGREGATED in media:
            return "v2" if "v=v2;" in media + ";" else "v2beta1"
    return None


def _subresources(resource: Resource) -> Iterable[tuple[str, str, str, str, list[str]]]:
    """Name, group, version, kind and verbs of each."""
    if resource.status:
        yield "status", resource.group, resource.version, resource.kind, _SUBRESOURCE_VERBS
    if resource.scale:
        yield "scale", "autoscaling", "v1", "Scale", _SUBRESOURCE_VERBS
    for name in resource.subresources:
        if name == "token":
            yield name, "authentication.k8s.io", "v1", "TokenRequest", ["create"]
        else:
            verbs = ["update"] if name == "finalize" else _SUBRESOURCE_VERBS
            yield name, resource.group, resource.version, resource.kind, verbs


def _plain(resource: Resource) -> Iterable[Obj]:
    entry: Obj = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    yield entry
    for name, group, version, kind, verbs in _subresources(resource):
        below: Obj = {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": kind,
            "verbs": verbs,
        }
        if (group, version) != (resource.group, resource.version):
            below |= {"group": group, "version": version}
        yield below


def _aggregated(resource: Resource) -> Obj:
    entry: Obj = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    below = [
        {
            "subresource": name,
            "responseKind": {"group": group, "version": version, "kind": kind},
            "verbs": verbs,
        }
        for name, group, version, kind, verbs in _subresources(resource)
    ]
    if below:
        entry["subresources"] = below
    return entry
