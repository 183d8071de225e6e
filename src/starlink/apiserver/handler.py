"""The framework-free core: a request in, a response or a stream out."""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import replace

from starlink.apiserver import access, bodies, encoding, errors, selectors
from starlink.apiserver.bootstrap import bootstrap
from starlink.apiserver.definitions import Definitions
from starlink.apiserver.discovery import Discovery
from starlink.apiserver.encoding import JSON, Obj, dump
from starlink.apiserver.errors import StatusError
from starlink.apiserver.expiry import expire_events
from starlink.apiserver.garbage import GarbageCollector
from starlink.apiserver.message import Request, Response, Stream
from starlink.apiserver.objects import UNRESTRICTED, Admission, Objects
from starlink.apiserver.openapi import OpenApi
from starlink.apiserver.reads import Reads
from starlink.apiserver.resource import Registry
from starlink.apiserver.route import Route, route
from starlink.apiserver.tokens import TokenIssuer
from starlink.apiserver.writes import Writes
from starlink.store.base import Key, Store

log = logging.getLogger(__name__)

_HEALTH = ("/healthz", "/readyz", "/livez")


class Api:
    """The API over a store. `now` is epoch seconds; `rng` names, numbers and jitter."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        tokens: TokenIssuer,
        *,
        version: str,
        now: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self.store = store
        self.registry = registry
        self.objects = Objects(store, now, rng)
        self._version = version
        self._now = now
        self._discovery = Discovery(registry)
        self._openapi = OpenApi(registry)
        self._definitions = Definitions(self.objects, registry)
        self._reads = Reads(self.objects, now, rng)
        self._writes = Writes(self.objects, registry, self._definitions, tokens, self._admission, now)
        self._background: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Opens the store, makes what must be there, and starts the background work."""
        await self.store.open()
        await self._definitions.load()
        await bootstrap(self.objects, self.registry, self._definitions)
        for work in (
            GarbageCollector(self.objects, self.registry).run(),
            self._definitions.run(),
            expire_events(self.objects, self.registry, self._now),
        ):
            self._background.append(asyncio.create_task(work))

    async def stop(self) -> None:
        """Stops the background work and closes the store."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.store.close()

    async def handle(self, request: Request) -> Response | Stream:
        """Answers; a refusal is a Status, and never a traceback."""
        try:
            return await self._answer(request)
        except StatusError as error:
            return status_response(error)
        except Exception:
            log.exception("a request failed", extra={"method": request.method, "path": request.path})
            return status_response(
                StatusError(500, "InternalError", "Internal error occurred; the server's log says more")
            )

    async def _answer(self, request: Request) -> Response | Stream:
        path = request.path.rstrip("/")
        if path in _HEALTH:
            return Response(200, b"ok", {"content-type": "text/plain; charset=utf-8"})
        if path == "/version":
            return Response(200, dump(self._version_info()), JSON)
        public = self._discovery.response(request.path, request.headers.get("accept", ""))
        public = public or self._openapi.response(request.path, request.query, request.headers)
        if public is not None:
            return public
        return await self._resource(request, route(self.registry, request))

    def _version_info(self) -> Obj:
        major, minor = self._version.lstrip("v").split(".")[:2]
        return {
            "major": major,
            "minor": minor,
            "gitVersion": self._version,
            "gitCommit": "",
            "gitTreeState": "clean",
            "buildDate": "",
            "goVersion": "",
            "compiler": "",
            "platform": "linux",
        }

    async def _resource(self, request: Request, asked: Route) -> Response | Stream:
        self._authorize(request, asked)
        answer = await self._answer_resource(request, asked)
        if asked.resource.warning:
            told = [answer.headers["warning"]] if "warning" in answer.headers else []
            headers = {**answer.headers, "warning": ", ".join([f'299 - "{asked.resource.warning}"', *told])}
            return replace(answer, headers=headers)
        return answer

    async def _answer_resource(self, request: Request, asked: Route) -> Response | Stream:
        match asked.verb:
            case "get":
                return self._reads.get(request, asked)
            case "list":
                return self._reads.list(request, asked)
            case "watch":
                return self._reads.watch(request, asked)
            case "create":
                return await self._writes.create(request, asked)
            case "update":
                return await self._writes.update(request, asked)
            case "patch":
                return await self._writes.patch(request, asked)
            case "delete":
                return await self._writes.delete(request, asked)
            case _:
                return await self._writes.delete_collection(request, asked, self._reads.selected(request, asked))

    # Access

    def _authorize(self, request: Request, asked: Route) -> None:
        selector = request.query.get("fieldSelector", "") if asked.verb in ("list", "watch") else ""
        wanted = selectors.parse(asked.resource, "", selector)
        attributes = access.Attributes(
            asked.verb,
            asked.resource.group,
            asked.resource.plural,
            asked.subresource,
            asked.namespace or "",
            asked.name or self._named_in_body(request, asked),
            wanted.required("metadata.name"),
            wanted.required("spec.server"),
        )
        verdict = access.authorize(request.user, attributes)
        if verdict is access.Verdict.ALLOW:
            return
        if verdict is access.Verdict.ALLOW_ON_SERVER and self._on_own_server(request, asked):
            return
        reason = access.refusal(request.user, attributes)
        raise StatusError(403, "Forbidden", reason, asked.resource.group, asked.resource.plural, asked.name)

    def _named_in_body(self, request: Request, asked: Route) -> str:
        """The name that an agent's create means: it may make only what bears its server's."""
        if asked.verb != "create" or access.agent_server(request.user) is None:
            return ""
        meta = bodies.read(request, self.registry).get("metadata")
        return str(meta.get("name", "")) if isinstance(meta, dict) else ""

    def _on_own_server(self, request: Request, asked: Route) -> bool:
        record = self.store.latest(Key(asked.resource.storage, asked.namespace or "", asked.name))
        if record is None:
            raise errors.not_found(asked.resource.group, asked.resource.plural, asked.name)
        return bool(encoding.raw(record)["spec"]["server"] == access.agent_server(request.user))

    def _admission(self, request: Request, asked: Route, dry_run: bool) -> Admission:
        return UNRESTRICTED


def status_response(error: StatusError) -> Response:
    """The refusal as an HTTP response."""
    headers = {**JSON, **error.headers}
    if error.retry_after:
        headers["retry-after"] = str(error.retry_after)
    return Response(error.code, dump(error.status()), headers)
