"""A request's URL and method as what is asked of which resource. Pure."""

from dataclasses import dataclass

from starlink.api import errors
from starlink.api.errors import StatusError
from starlink.apiserver.resources.resource import Registry, Resource
from starlink.apiserver.security.authorization.rbac import Attributes
from starlink.http.message import Request

_COLLECTION = {"GET": "list", "HEAD": "list", "POST": "create", "DELETE": "deletecollection"}
_ONE = {"GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_ANY_ONE = {**_ONE, "POST": "create"}
_ANY_COLLECTION = {**_ANY_ONE, **_COLLECTION}
_ACROSS_NAMESPACES = ("list", "watch")
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
    """Raises StatusError 404 or 405, in the words of that part of the real server that the path falls to."""
    found = _find(registry, request)
    if found is None:
        raise errors.unknown_path() if _is_built_in(registry, request.path) else errors.page_not_found()
    return found


def _is_built_in(registry: Registry, path: str) -> bool:
    """Whether a path lies where the built-in kinds do."""
    root, group, *_ = *path.strip("/").split("/"), ""
    if root == "apis":
        return any(resource.group == group and not resource.custom for resource in registry.all())
    return root == "api"


def _find(registry: Registry, request: Request) -> Route | None:
    """None where there is nothing. Raises StatusError 404 for a subresource, and 405."""
    parts = request.path.strip("/").split("/")
    if not _names_resource(parts):
        return None
    group, version, rest = _split(parts)
    namespace: str | None = None
    if rest[:1] == ["namespaces"] and len(rest) >= 3 and registry.get(group, version, rest[2]):
        namespace, rest = rest[1], rest[2:]
    if not rest or len(rest) > 3:
        return None
    plural, name, subresource = (*rest, "", "")[:3]
    resource = registry.get(group, version, plural)
    if resource is None or not resource.verbs or (namespace is not None and not resource.namespaced):
        return None
    everywhere = resource.namespaced and namespace is None
    if (name and everywhere) or not _has(resource, name, subresource):
        return None
    verb = _verb(request, name, subresource)
    if everywhere and verb not in _ACROSS_NAMESPACES and (resource.custom or not resource.persistent):
        return None
    if verb not in resource.verbs or (everywhere and verb not in _ACROSS_NAMESPACES):
        raise _not_allowed(request, resource, name)
    return Route(verb, resource, namespace, name, subresource)


def attributes(request: Request) -> Attributes:
    """What is asked as the URL and the method alone say it, whether or not it is served. The selectors of a list or
    a watch are not looked at.

    Source: https://github.com/kubernetes/apiserver/blob/master/pkg/endpoints/request/requestinfo.go
    """
    parts = request.path.strip("/").split("/")
    if not _names_resource(parts):
        return path_attributes(request)
    group, version, rest = _split(parts)
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


def _names_resource(parts: list[str]) -> bool:
    return len(parts) >= {"api": 3, "apis": 4}.get(parts[0], len(parts) + 1)


def _split(parts: list[str]) -> tuple[str, str, list[str]]:
    if parts[0] == "api":
        return "", parts[1], parts[2:]
    return parts[1], parts[2], parts[3:]


def _has(resource: Resource, name: str, subresource: str) -> bool:
    """Whether there is such a subresource, or none is asked for. Raises StatusError 404 where the kind is custom, in
    the words for an object."""
    known = {"", *resource.subresources}
    if resource.status:
        known.add("status")
    if resource.scale:
        known.add("scale")
    if subresource not in known and resource.custom:
        raise errors.not_found(resource.group, resource.plural, name)
    return subresource in known


def _verb(request: Request, name: str, subresource: str) -> str:
    """ "" where the method is none of what is asked for."""
    if subresource == "token":
        verbs = {"POST": "create"}
    elif subresource == "finalize":
        verbs = {"PUT": "update"}
    elif subresource:
        verbs = {method: verb for method, verb in _ONE.items() if method != "DELETE"}
    else:
        verbs = _ONE if name else _COLLECTION
    verb = verbs.get(request.method, "")
    return "watch" if verb == "list" and _is_watch(request) else verb


def _not_allowed(request: Request, resource: Resource, name: str) -> StatusError:
    if not resource.custom:
        return errors.method_not_allowed()
    asked = (_ANY_ONE if name else _ANY_COLLECTION).get(request.method, "")
    return errors.not_supported(asked, resource.group, resource.plural)


def _is_watch(request: Request) -> bool:
    return request.query.get("watch") in _TRUE
