"""What the server answers beside resources: health, version, discovery, OpenAPI, metrics and, if wished, `/debug`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlink.apiserver.requests.discovery.discovery import Discovery
from starlink.apiserver.requests.discovery.openapi import OpenApi
from starlink.apiserver.requests.discovery.swagger import Swagger
from starlink.apiserver.requests.guard import Guard
from starlink.apiserver.requests.monitoring import debug
from starlink.apiserver.requests.monitoring.metrics import Metrics
from starlink.apiserver.resources.encoding import Obj, dump
from starlink.apiserver.resources.resource import Registry
from starlink.http.media import JSON, TEXT
from starlink.http.message import ANONYMOUS, Request, Response

if TYPE_CHECKING:
    from starlink.apiserver.requests.monitoring.exposition import Exposition

_HEALTH = ("/healthz", "/livez")
_READY = "/readyz"
_VERSION = "/version"
_OK = Response(200, b"ok", TEXT)


class Pages:
    """`problem` says why nothing can be written, if so; `version` is what `/version` says; `/debug` is there only when
    `debugging`."""

    def __init__(
        self,
        registry: Registry,
        guard: Guard,
        metrics: Metrics,
        problem: Callable[[], str],
        version: str,
        *,
        debugging: bool,
    ) -> None:
        self._problem = problem
        self._guard = guard
        self._metrics = metrics
        self._version = Response(200, dump(_version_info(version)), JSON)
        self._debugging = debugging
        self._exposition: Exposition | None = None
        self._discovery = Discovery(registry)
        self._openapi = OpenApi(registry)
        self._swagger = Swagger(registry)

    @staticmethod
    def is_open(path: str) -> bool:
        """Whether everybody may see the page."""
        return path.rstrip("/") in (*_HEALTH, _READY, _VERSION)

    async def response(self, request: Request) -> Response | None:
        """A page; None when the path is of none. Raises StatusError 403."""
        path = request.path.rstrip("/")
        if path in _HEALTH:
            return _OK
        if path == _READY:
            return self._ready(request)
        if path == _VERSION:
            return self._version
        if path == "/metrics" or (self._debugging and path.startswith("/debug")):
            await self._guard.check_path(request)
            return self._exposed() if path == "/metrics" else debug.response(path)
        page = self._discovery.response(request.path, request.headers)
        page = page or await self._openapi.response(request.path, request.query, request.headers)
        page = page or await self._swagger.response(request.path, request.headers)
        if page is not None:
            await self._guard.check_path(request)
        return page

    def _exposed(self) -> Response:
        """The metrics. What makes text of them takes memory, which a server that is never asked need not hold."""
        from starlink.apiserver.requests.monitoring.exposition import MEDIA, Exposition

        if self._exposition is None:
            self._exposition = Exposition(self._metrics)
        return Response(200, self._exposition.text(), {"content-type": MEDIA})

    def _ready(self, request: Request) -> Response:
        """A server that can't write lives on, for what it reads, and is not ready. Strangers are not told why."""
        problem = self._problem()
        if not problem:
            return _OK
        why = "reason withheld" if request.user is ANONYMOUS else problem
        return Response(500, f"[-]store failed: {why}\nreadyz check failed\n".encode(), TEXT)


def _version_info(version: str) -> Obj:
    major, minor = version.lstrip("v").split(".")[:2]
    return {
        "major": major,
        "minor": minor,
        "gitVersion": version,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "",
        "goVersion": "",
        "compiler": "",
        "platform": "linux",
    }
