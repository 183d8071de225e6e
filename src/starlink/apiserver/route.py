"""A request's URL and method as what is asked of which resource. Pure."""

from dataclasses import dataclass

from starlink.apiserver import errors
from starlink.apiserver.access.rbac import Attributes
from starlink.apiserver.errors import StatusError
from starlink.apiserver.message import Request
from starlink.apiserver.resource import Registry, Resource

_COLLECTION = {"GET": "list", "HEAD": "list", "POST": "create", "DELETE": "deletecollection"}
_ONE = {"GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_ANY_ONE = {**_ONE, "POST": "create"}
_ANY_COLLECTION = {**_ANY_ONE, **_COLLECTION}
_TRUE = ("true", "1")
_NAMESPACES_OWN = ("status", "finalize")
_MOST_KNOWN = 10_000
_SHORT = 1024


@dataclass(frozen=True, slots=True)
class Route:
    """`namespace` None in a list means all namespaces."""

    verb: str
    resource: Resource
    namespace: str | None
    name: str
    subresource: str


class Router:
    """Routes, remembered for as long as the same resources are served."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._generation = registry.generation
        self._known: dict[tuple[str, str, str], Route] = {}

    def known(self, request: Request) -> Route | None:
        """The route of a request like one before."""
        if self._registry.generation != self._generation:
            self._known.clear()
            self._generation = self._registry.generation
        return self._known.get((request.method, request.path, request.query.get("watch", "")))

    def route(self, request: Request) -> Route:
        """As `route`."""
        found = route(self._registry, request)
        key = (request.method, request.path, request.query.get("watch", ""))
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        if sum(map(len, key)) <= _SHORT:  # names are the client's to invent
            self._known[key] = found
        return found


def route(registry: Registry, request: Request) -> Route:
    """Raises StatusError 404 or 405."""
    parts = request.path.strip("/").split("/")
    group, version, rest = _split(parts)
    namespace: str | None = None
    if rest[:1] == ["namespaces"] and len(rest) >= 3 and registry.get(group, version, rest[2]):
        namespace, rest = rest[1], rest[2:]
    if not rest or len(rest) > 3:
        raise errors.unknown_path()
    plural, name, subresource = (*rest, "", "")[:3]
    resource = registry.get(group, version, plural)
    if resource is None or not resource.verbs or (namespace is not None and not resource.namespaced):
        raise errors.unknown_path()
    if name and resource.namespaced and namespace is None:
        raise errors.unknown_path()
    _check_subresource(resource, subresource)
    verb = _verb(request, name, subresource)
    if verb not in resource.verbs:
        raise errors.method_not_allowed()
    return Route(verb, resource, namespace, name, subresource)


def attributes(request: Request) -> Attributes:
    """What is asked as the URL and the method alone say it, whether or not it is served. The selectors of a list or
    a watch are not looked at.

    Source: https://github.com/kubernetes/apiserver/blob/master/pkg/endpoints/request/requestinfo.go
    """
    try:
        group, version, rest = _split(request.path.strip("/").split("/"))
    except StatusError:
        return path_attributes(request)
    namespace = rest[1] if rest[0] == "namespaces" and len(rest) > 1 else ""
    if namespace and len(rest) > 2 and rest[2] not in _NAMESPACES_OWN:
        rest = rest[2:]
    plural, name, subresource = (*rest, "", "")[:3]
    verb = (_ANY_ONE if name else _ANY_COLLECTION).get(request.method, "")
    verb = "watch" if verb == "list" and _is_watch(request) else verb
    return Attributes(verb, group, version, plural, subresource, namespace, name)


def path_attributes(request: Request) -> Attributes:
    """What is asked of a path that is no resource."""
    return Attributes(request.method.lower().replace("head", "get"), path=request.path)


def _split(parts: list[str]) -> tuple[str, str, list[str]]:
    if parts[0] == "api" and len(parts) >= 3:
        return "", parts[1], parts[2:]
    if parts[0] == "apis" and len(parts) >= 4:
        return parts[1], parts[2], parts[3:]
    raise errors.unknown_path()


def _check_subresource(resource: Resource, subresource: str) -> None:
    if not subresource:
        return
    known = set()
    if resource.status:
        known.add("status")
    if resource.scale:
        known.add("scale")
    known.update(resource.subresources)
    if subresource not in known:
        raise errors.unknown_path()


def _verb(request: Request, name: str, subresource: str) -> str:
    if subresource == "token":
        verbs = {"POST": "create"}
    elif subresource == "finalize":
        verbs = {"PUT": "update"}
    elif subresource:
        verbs = {method: verb for method, verb in _ONE.items() if method != "DELETE"}
    else:
        verbs = _ONE if name else _COLLECTION
    verb = verbs.get(request.method)
    if verb is None:
        raise errors.method_not_allowed()
    return "watch" if verb == "list" and _is_watch(request) else verb


def _is_watch(request: Request) -> bool:
    return request.query.get("watch") in _TRUE
