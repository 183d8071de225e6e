"""The verbs of the Kubernetes API, for any kind."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self
from urllib.parse import quote

import msgspec

from starlink.api.kinds import SERVICE_ACCOUNT, Kind
from starlink.client.config import Config
from starlink.client.connection import Answer
from starlink.client.errors import ApiError, Unreachable, from_status
from starlink.client.http import MAX_CONNECTIONS, Http

TIMEOUT_SECONDS = 15.0
PAGE = 500
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
MERGE = {"Content-Type": "application/merge-patch+json", "Accept": "application/json"}
_MAX_LINE = 16 * 1024 * 1024
_KEPT_PATHS = 256

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Listing:
    """The objects of a list as raw JSON, and the resourceVersion to watch from."""

    items: tuple[msgspec.Raw, ...]
    resource_version: str


class WatchEvent(msgspec.Struct, frozen=True):
    """One line of a watch; `object` is raw JSON."""

    type: str
    object: msgspec.Raw


class _ListMeta(msgspec.Struct, rename={"resource_version": "resourceVersion", "continue_": "continue"}):
    resource_version: str = ""
    continue_: str = ""


class _Page(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw]


_page_decoder = msgspec.json.Decoder(_Page)
_event_decoder = msgspec.json.Decoder(WatchEvent)


class Client:
    """One cluster's API. Raises `errors.ClientError`; every request has an end."""

    def __init__(
        self,
        config: Config,
        *,
        timeout: float = TIMEOUT_SECONDS,
        connections: int = MAX_CONNECTIONS,
        refused: Callable[[ApiError], object] = lambda _error: None,
    ) -> None:
        """`refused` is told of each refusal before it is raised."""
        self.config = config
        self._refused = refused
        self._http = Http(config, connections)
        self._timeout = timeout

    async def __aenter__(self) -> Self:
        """With a plugin's credential, which may take longer than any request may. Raises ClientError."""
        await self._http.authenticate()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes idle connections."""
        self._http.close()

    async def raw(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] = _JSON,
        body: Any = None,
    ) -> bytes:
        """One request; the answer's body. `body` is encoded as JSON unless it is bytes."""
        answer = await self.ask(method, path, query=query, headers=headers, body=body)
        if answer.status >= 400:
            raise self.refusal(answer.status, answer.body)
        return answer.body

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] = _JSON,
        body: Any = None,
    ) -> Answer:
        """As `raw`; the answer, also where it is a refusal, of which nobody is told. Raises Unreachable."""
        content = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await self._http.request(method, path, query or {}, headers, content, self._timeout)

    def refusal(self, status: int, body: bytes) -> ApiError:
        """The error that a refusal means, of which is told."""
        error = from_status(status, _decoded(body))
        self._refused(error)
        return error

    async def _object(self, method: str, path: str, **options: Any) -> Obj:
        return msgspec.json.decode(await self.raw(method, path, **options), type=Obj)

    async def get(self, kind: Kind, name: str, namespace: str = "") -> Obj:
        return await self._object("GET", url(kind, namespace, name))

    async def list(
        self, kind: Kind, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        """All objects; no namespace means those of all."""
        selectors = {"label_selector": label_selector, "field_selector": field_selector}
        pages = [page async for page in self.pages(kind, namespace, **selectors)]
        return Listing(tuple(item for page in pages for item in page.items), pages[-1].resource_version)

    async def pages(
        self, kind: Kind, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> AsyncIterator[Listing]:
        """The same, page by page, at least one. While a page is looked at, the server makes the next."""
        query = _selectors(label_selector, field_selector) | {"limit": str(PAGE)}
        asked = asyncio.create_task(self._page(kind, namespace, query))
        try:
            while True:
                page = await asked
                if page.metadata.continue_:
                    following = query | {"continue": page.metadata.continue_}
                    asked = asyncio.create_task(self._page(kind, namespace, following))
                    await asyncio.sleep(0)  # or it would go out only once the page has been looked at
                yield Listing(tuple(page.items), page.metadata.resource_version)
                if not page.metadata.continue_:
                    return
        finally:
            if not asked.cancel() and not asked.cancelled():
                asked.exception()  # nobody else asks for it

    async def _page(self, kind: Kind, namespace: str, query: Mapping[str, str]) -> _Page:
        return _page_decoder.decode(await self.raw("GET", url(kind, namespace), query=query))

    async def create(self, kind: Kind, obj: Obj, namespace: str = "", *, query: Mapping[str, str] | None = None) -> Obj:
        """Of an object that need not say what kind it is of."""
        return await self._object("POST", url(kind, namespace), body=typed(kind, obj), query=query)

    async def create_raw(
        self, kind: Kind, obj: Obj, namespace: str = "", *, query: Mapping[str, str] | None = None
    ) -> bytes:
        """As `create`; the JSON of what was created."""
        return await self.raw("POST", url(kind, namespace), body=typed(kind, obj), query=query)

    async def replace(self, kind: Kind, obj: Obj, subresource: str = "") -> Obj:
        meta = obj["metadata"]
        path = url(kind, meta.get("namespace", ""), meta["name"], subresource)
        return await self._object("PUT", path, body=obj)

    async def patch(
        self,
        kind: Kind,
        name: str,
        patch: Obj,
        namespace: str = "",
        *,
        subresource: str = "",
        query: Mapping[str, str] | None = None,
    ) -> Obj:
        """A merge patch; with `metadata.resourceVersion` in it only on that very object, and with `uid` if it is of no
        subresource."""
        path = url(kind, namespace, name, subresource)
        return await self._object("PATCH", path, body=patch, headers=MERGE, query=query)

    async def patch_raw(
        self,
        kind: Kind,
        name: str,
        patch: Obj,
        namespace: str = "",
        *,
        subresource: str = "",
        query: Mapping[str, str] | None = None,
    ) -> bytes:
        """As `patch`; the JSON of what was written."""
        return await self.raw("PATCH", url(kind, namespace, name, subresource), body=patch, headers=MERGE, query=query)

    async def patch_status(self, kind: Kind, seen: Obj, status: Obj) -> None:
        """A merge patch of the status of the very object that was `seen`, as it was then. Raises Conflict of one that
        has changed, or was made anew: the API looks at no UID in such a patch."""
        meta = seen["metadata"]
        patch = {"metadata": {"resourceVersion": meta["resourceVersion"]}, "status": status}
        await self.patch_raw(kind, meta["name"], patch, meta.get("namespace", ""), subresource="status")

    async def delete(self, kind: Kind, name: str, namespace: str = "", *, uid: str = "", propagation: str = "") -> Obj:
        options: Obj = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if propagation:
            options["propagationPolicy"] = propagation
        return await self._object("DELETE", url(kind, namespace, name), body=options)

    async def request_token(self, namespace: str, name: str, seconds: int) -> tuple[str, str]:
        """A ServiceAccount's token and when it ends (RFC 3339)."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        path = url(SERVICE_ACCOUNT, namespace, name, "token")
        status = (await self._object("POST", path, body=body))["status"]
        return status["token"], status["expirationTimestamp"]

    async def watch(
        self,
        kind: Kind,
        namespace: str = "",
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
        seconds: int = 600,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] = _JSON,
        answered: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Events after `resource_version`, bookmarks too, until the server ends the watch after `seconds`; of tables
        where the headers ask for them. It has begun when `answered` is called.

        Raises Gone when the resourceVersion is too old.
        """
        query = {
            **(query or {}),
            **_selectors(label_selector, field_selector),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
        }
        async with self._http.stream(url(kind, namespace), query, headers, self._timeout) as (status, parts):
            if status >= 400:
                raise self.refusal(status, await parts.rest())
            answered()
            rest = b""
            while part := await parts.take():
                *lines, rest = (rest + part).split(b"\n")
                for line in filter(None, lines):
                    yield _event(line)
                if len(rest) > _MAX_LINE:
                    raise Unreachable(f"a line of the watch has more than {_MAX_LINE} bytes")


def typed(kind: Kind, obj: Obj) -> Obj:
    """An object that says what kind it is of."""
    return {"apiVersion": kind.api_version, "kind": kind.kind, **obj}


def url(kind: Kind, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """The path of a kind's objects, or of one."""
    parts = [_collection(kind, namespace if kind.namespaced else "")]
    if name:
        parts.append(quote(name, safe=""))
    if subresource:
        parts.append(subresource)
    return "/".join(parts)


@lru_cache(_KEPT_PATHS)
def _collection(kind: Kind, namespace: str) -> str:
    within = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    return f"{kind.path}{within}/{kind.plural}"


def _selectors(label_selector: str, field_selector: str) -> dict[str, str]:
    given = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {key: value for key, value in given.items() if value}


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return {"message": body[:500].decode(errors="replace").strip()}


def _event(line: bytes) -> WatchEvent:
    event = _event_decoder.decode(line)
    if event.type == "ERROR":
        problem = _decoded(bytes(event.object))
        raise from_status(problem.get("code", 500) if isinstance(problem, dict) else 500, problem)
    return event
