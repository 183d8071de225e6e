"""The framework-free core: a request in, a response or a stream out."""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any

from starlink.apiserver import access, encoding, errors, listing, patches, scale, selectors
from starlink.apiserver.bootstrap import bootstrap
from starlink.apiserver.definitions import Definitions
from starlink.apiserver.discovery import Discovery
from starlink.apiserver.encoding import JSON, Obj, dump, read_object
from starlink.apiserver.errors import StatusError
from starlink.apiserver.expiry import expire_events
from starlink.apiserver.garbage import GarbageCollector
from starlink.apiserver.message import Request, Response, Stream
from starlink.apiserver.objects import DeleteOptions, Objects, WriteOptions, Written, check_envelope
from starlink.apiserver.openapi import OpenApi
from starlink.apiserver.resource import Registry, Resource
from starlink.apiserver.route import Route, route
from starlink.apiserver.serviceaccounts import request_token
from starlink.apiserver.tables import table
from starlink.apiserver.tokens import TokenIssuer
from starlink.apiserver.watching import Frames, Render, Watcher, WatchOptions, frame
from starlink.store.base import Key, Record, Store

log = logging.getLogger(__name__)

_HEALTH = ("/healthz", "/readyz", "/livez")
_TRUE = ("true", "1")
MAX_LIST_LIMIT = 100_000


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
        self._tokens = tokens
        self._version = version
        self._now = now
        self._random = rng
        self._frames = Frames()
        self._discovery = Discovery(registry)
        self._openapi = OpenApi(registry)
        self._definitions = Definitions(self.objects, registry)
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
        match asked.verb:
            case "get":
                return self._get(request, asked)
            case "list":
                return self._list(request, asked)
            case "watch":
                return self._watch(request, asked)
            case "create":
                return await self._create(request, asked)
            case "update" | "patch":
                return await self._update(request, asked)
            case "delete":
                return await self._delete(request, asked)
            case _:
                return await self._delete_collection(request, asked)

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
            asked.name or _named_in_body(request, asked),
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

    def _on_own_server(self, request: Request, asked: Route) -> bool:
        record = self.store.latest(Key(asked.resource.storage, asked.namespace or "", asked.name))
        if record is None:
            raise errors.not_found(asked.resource.group, asked.resource.plural, asked.name)
        return bool(encoding.to_object(record)["spec"]["server"] == access.agent_server(request.user))

    # Reading

    def _get(self, request: Request, asked: Route) -> Response:
        record = self.objects.record(asked.resource, asked.namespace or "", asked.name)
        if asked.subresource == "scale":
            assert asked.resource.scale is not None
            return Response(200, dump(scale.read(asked.resource.scale, encoding.to_object(record))), JSON)
        if _wants_table(request):
            return self._table(request, asked.resource, listing.Page([record], record.revision))
        return Response(200, encoding.to_wire(record), JSON)

    def _list(self, request: Request, asked: Route) -> Response:
        selector = self._selector(request, asked)
        limit = _whole_number(request, "limit", 0, MAX_LIST_LIMIT)
        token = request.query.get("continue", "")
        part = listing.page(self.store, asked.resource, asked.namespace, selector, limit, token)
        if _wants_table(request):
            return self._table(request, asked.resource, part)
        return Response(200, listing.body(asked.resource, part), JSON)

    def _selector(self, request: Request, asked: Route) -> selectors.Selector:
        query = request.query
        selector = selectors.parse(asked.resource, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        if asked.name:
            selector = selectors.parse(asked.resource, "", f"metadata.name={asked.name}")
        return selector

    def _table(self, request: Request, resource: Resource, part: listing.Page) -> Response:
        rendered = table(
            resource,
            [encoding.to_object(record) for record in part.records],
            include=request.query.get("includeObject", "Metadata"),
            now=self._now(),
            resource_version=str(part.resource_version),
            continue_=part.continue_,
            remaining=part.remaining,
        )
        return Response(200, dump(rendered), JSON)

    def _watch(self, request: Request, asked: Route) -> Stream:
        version = request.query.get("resourceVersion", "")
        initial = request.query.get("sendInitialEvents") in _TRUE
        since = None if initial or version in ("", "0") else _whole_number(request, "resourceVersion", 0, None)
        timeout = _whole_number(request, "timeoutSeconds", 0, None) or self._random.randint(1800, 3600)
        options = WatchOptions(
            asked.namespace,
            self._selector(request, asked),
            since,
            request.query.get("allowWatchBookmarks") in _TRUE,
            float(timeout),
            initial,
        )
        watcher = Watcher(self.store, asked.resource, options, self._render(request, asked.resource))
        return Stream(watcher.open(), JSON)

    def _render(self, request: Request, resource: Resource) -> Render:
        if not _wants_table(request):
            return lambda type_, record: self._frames.line(record, type_)
        include = request.query.get("includeObject", "Metadata")
        first = True

        def render(type_: str, record: Record) -> bytes:
            nonlocal first
            rendered = table(
                resource,
                [encoding.to_object(record)],
                include=include,
                now=self._now(),
                resource_version=str(record.revision),
                headers=first,
            )
            first = False
            return frame(type_, dump(rendered))

        return render

    # Writing

    async def _create(self, request: Request, asked: Route) -> Response:
        namespace = asked.namespace or ""
        obj = read_object(request.body, request.headers.get("content-type", ""))
        if asked.subresource == "token":
            account = encoding.to_object(self.objects.record(asked.resource, namespace, asked.name))
            return Response(201, dump(request_token(self._tokens, account, obj, self._now())), JSON)
        if asked.resource.namespaced:
            namespace = namespace or _namespace_in(obj)
            self._check_namespace(asked.resource, namespace, obj)
        self._definitions.admit(asked.resource, obj)
        written = await self.objects.create(asked.resource, namespace, obj, _write_options(request))
        written = await self._definitions.written(asked.resource, written)
        return _written(201, written)

    def _check_namespace(self, resource: Resource, namespace: str, obj: Obj) -> None:
        record = self.store.latest(Key("/namespaces", "", namespace))
        if record is None:
            raise errors.not_found("", "namespaces", namespace)
        if encoding.to_object(record)["metadata"].get("deletionTimestamp"):
            name = str((obj.get("metadata") or {}).get("name", ""))
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise errors.forbidden(resource.group, resource.plural, name, why)

    async def _update(self, request: Request, asked: Route) -> Response:
        change = self._change(request, asked)
        subresource = "" if asked.subresource == "scale" else asked.subresource
        written = await self.objects.update(
            asked.resource,
            asked.namespace or "",
            asked.name,
            change,
            _write_options(request),
            subresource=subresource,
        )
        written = await self._definitions.written(asked.resource, written)
        if asked.subresource == "scale":
            assert asked.resource.scale is not None
            scaled = scale.read(asked.resource.scale, read_object(written.body))
            return Response(200, dump(scaled), JSON)
        return _written(200, written)

    def _change(self, request: Request, asked: Route) -> Callable[[Obj], Obj]:
        """What the request makes of the current object."""
        of_scale = asked.resource.scale if asked.subresource == "scale" else None

        def to_scaled(obj: Obj, wanted: Obj) -> Obj:
            assert of_scale is not None
            return scale.write(asked.resource, of_scale, obj, wanted)

        if asked.verb == "update":
            wanted = read_object(request.body, request.headers.get("content-type", ""))
            if of_scale is None:
                check_envelope(asked.resource, asked.namespace or "", asked.name, wanted)
                self._definitions.admit(asked.resource, wanted)
            return lambda obj: to_scaled(obj, wanted) if of_scale else {**wanted, "metadata": {**wanted["metadata"]}}
        media = request.headers.get("content-type", "").partition(";")[0].strip()
        if media not in patches.ACCEPTED:
            raise errors.unsupported_media_type(media, patches.ACCEPTED)
        patch = _decoded(request.body)

        def patched(obj: Obj) -> Obj:
            if of_scale is not None:
                return to_scaled(obj, patches.apply(scale.read(of_scale, obj), patch, media))
            new = patches.apply(obj, patch, media)
            if not _names_version(patch, media):
                new["metadata"] = {**new.get("metadata", {}), "resourceVersion": ""}
            return new

        return patched

    async def _delete(self, request: Request, asked: Route) -> Response:
        _check_protected(asked)
        options = _delete_options(request)
        body, _gone = await self.objects.delete(asked.resource, asked.namespace or "", asked.name, options)
        return Response(200, body, JSON)

    async def _delete_collection(self, request: Request, asked: Route) -> Response:
        if asked.resource.namespaced and asked.namespace is None:
            raise errors.method_not_allowed()
        options = _delete_options(request)
        part = listing.page(self.store, asked.resource, asked.namespace, self._selector(request, asked), 0, "")
        for record in part.records:
            try:
                await self.objects.delete(asked.resource, record.key.namespace, record.key.name, options)
            except StatusError as error:
                if error.code != 404:
                    raise
        return Response(200, listing.body(asked.resource, part), JSON)


def status_response(error: StatusError) -> Response:
    """The refusal as an HTTP response."""
    headers = {**JSON, **error.headers}
    if error.retry_after:
        headers["retry-after"] = str(error.retry_after)
    return Response(error.code, dump(error.status()), headers)


def _written(status: int, written: Written) -> Response:
    headers = dict(JSON)
    if written.warnings:
        headers["warning"] = ", ".join(f'299 - "{text}"' for text in map(_quoted, written.warnings))
    return Response(status, written.body, headers)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _wants_table(request: Request) -> bool:
    return "as=Table" in request.headers.get("accept", "")


def _whole_number(request: Request, name: str, least: int, most: int | None) -> int:
    text = request.query.get(name, "")
    if not text:
        return least
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise errors.bad_request(f"{name}: {text!r} is not a whole number of at least {least}")
    return min(int(text), most) if most is not None else int(text)


def _write_options(request: Request) -> WriteOptions:
    validation = request.query.get("fieldValidation", "") or "Warn"
    if validation not in ("Strict", "Warn", "Ignore"):
        raise errors.bad_request(f"fieldValidation: {validation!r} is not one of Strict, Warn, Ignore")
    return WriteOptions(_dry_run(request.query.get("dryRun", "")), validation)


def _dry_run(value: str) -> bool:
    if value not in ("", "All"):
        raise errors.bad_request(f"dryRun: {value!r} is not supported; the only value is All")
    return value == "All"


def _delete_options(request: Request) -> DeleteOptions:
    given: Obj = {}
    if request.body:
        given = read_object(request.body, request.headers.get("content-type", ""))
    conditions = given.get("preconditions") or {}
    propagation = given.get("propagationPolicy") or request.query.get("propagationPolicy", "")
    if given.get("orphanDependents") is True:
        propagation = "Orphan"
    if propagation not in ("", "Background", "Foreground", "Orphan"):
        raise errors.bad_request(f"propagationPolicy: {propagation!r} is not one of Background, Foreground, Orphan")
    dry = given.get("dryRun") or []
    return DeleteOptions(
        str(conditions.get("uid") or ""),
        str(conditions.get("resourceVersion") or ""),
        propagation,
        _dry_run(dry[0] if isinstance(dry, list) and dry else request.query.get("dryRun", "")),
    )


def _decoded(body: bytes) -> Any:
    import msgspec

    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise errors.bad_request(f"the patch is not JSON: {error}") from None


def _names_version(patch: Any, media: str) -> bool:
    if media == patches.MERGE:
        meta = patch.get("metadata") if isinstance(patch, dict) else None
        return isinstance(meta, dict) and bool(meta.get("resourceVersion"))
    return any(isinstance(op, dict) and op.get("path") == "/metadata/resourceVersion" for op in patch)


def _named_in_body(request: Request, asked: Route) -> str:
    """The name that a create means: access is decided by it."""
    if asked.verb != "create":
        return ""
    try:
        meta = read_object(request.body, request.headers.get("content-type", "")).get("metadata")
    except StatusError:
        return ""
    return str(meta.get("name", "")) if isinstance(meta, dict) else ""


def _namespace_in(obj: Obj) -> str:
    meta = obj.get("metadata")
    namespace = meta.get("namespace") if isinstance(meta, dict) else None
    if not isinstance(namespace, str) or not namespace:
        raise errors.bad_request("an empty namespace may not be set during creation")
    return namespace


def _check_protected(asked: Route) -> None:
    protected = ("default", "kube-system", "starlink-servers")
    if (asked.resource.group, asked.resource.plural) == ("", "namespaces") and asked.name in protected:
        raise errors.forbidden("", "namespaces", asked.name, "this namespace may not be deleted")
