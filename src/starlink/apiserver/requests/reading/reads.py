"""Get, list and watch: what a request may see, in the form it asks for."""

import random
from collections.abc import AsyncIterator, Callable, Sequence

from starlink.api import errors
from starlink.api.errors import Cause, StatusError
from starlink.apiserver import aside
from starlink.apiserver.objects import Objects, scale
from starlink.apiserver.requests import options
from starlink.apiserver.requests.reading import listing, partial
from starlink.apiserver.requests.reading.accepting import check_accept
from starlink.apiserver.requests.reading.field_index import FieldIndexes
from starlink.apiserver.requests.reading.frames import Frames, frame
from starlink.apiserver.requests.reading.open_watches import OpenWatches
from starlink.apiserver.requests.reading.tables import table
from starlink.apiserver.requests.reading.topics import topic
from starlink.apiserver.requests.reading.watching import Render, Watcher, WatchOptions
from starlink.apiserver.requests.route import Route
from starlink.apiserver.resources import encoding, selectors
from starlink.apiserver.resources.encoding import dump
from starlink.apiserver.resources.resource import Resource
from starlink.http.media import JSON
from starlink.http.message import Request, Response, Stream
from starlink.store.base import Record, StoreUnavailable

MAX_LIST_LIMIT = 100_000
REACH_SECONDS = 3.0  # as the real server waits for its watch cache
_DECODED, _BYTES = 16, 32
"""What an object in a list weighs (see `aside`) where it is decoded, and of how many of its bytes each weighs one more.
Where its bytes are passed on it weighs nothing."""

_NOT_OLDER, _EXACT = "NotOlderThan", "Exact"
_MATCH, _INITIAL = "resourceVersionMatch", "sendInitialEvents"


class Reads:
    """Reading requests over one store. `watches` are told of each that begins; `now` is epoch seconds; `rng` spreads
    the ends of watches."""

    def __init__(self, objects: Objects, watches: OpenWatches, now: Callable[[], float], rng: random.Random) -> None:
        self._objects = objects
        self._watches = watches
        self._store = objects.store
        self._now = now
        self._random = rng
        self._frames = Frames()
        self._indexes = FieldIndexes(objects.store)

    async def reach(self, request: Request, asked: Route) -> None:
        """Waits, a little, for what the answer must not be older than. Raises StatusError 400, 503 or 504, and what the
        answer would raise without waiting."""
        self._check(request, asked)
        version = options.whole_number(request, "resourceVersion")
        try:
            reached = version <= self._store.revision or await self._store.reaches(version, REACH_SECONDS)
        except StoreUnavailable as error:
            raise errors.unavailable(str(error)) from error
        if not reached:
            raise errors.too_large_version(version, self._store.revision)

    def get(self, request: Request, asked: Route) -> Response:
        """One object, its Scale or a Table of it. Raises StatusError 404 or 406."""
        check_accept(request, asked)
        record = self._objects.record(asked.resource, asked.namespace or "", asked.name)
        if asked.subresource == "scale":
            assert asked.resource.scale is not None
            obj = encoding.to_object(record, asked.resource)
            return Response(200, dump(scale.read(asked.resource.scale, obj)), JSON)
        if partial.wants_table(request):
            return self._table(request, asked.resource, listing.Page([record], record.revision))
        if partial.wanted(request):
            return Response(200, partial.body(record, asked.resource), JSON)
        return Response(200, encoding.to_wire(record, asked.resource), JSON)

    def _check(self, request: Request, asked: Route) -> None:
        """Whether a read can be answered at all. Raises StatusError 400, 406 or 422."""
        check_accept(request, asked)
        if asked.verb in ("list", "deletecollection"):
            self._selector(request, asked)
            _check_list(request)

    async def list(self, request: Request, asked: Route) -> Response:
        """A page of objects. Raises StatusError 400, 406 or 410."""
        self._check(request, asked)
        limit = options.limit(request, "limit", MAX_LIST_LIMIT)
        selector = self._selector(request, asked)
        taken = await self._taken(request, asked, limit, selector)

        def rendered(taken: listing.Taken) -> Response:
            part = listing.page(taken, asked.resource, selector, limit)
            if partial.wants_table(request):
                return self._table(request, asked.resource, part)
            if partial.wanted(request):
                return Response(200, partial.list_body(part, asked.resource), JSON)
            return Response(200, listing.body(asked.resource, part), JSON)

        plain = selector.everything and "as=" not in request.headers.get("accept", "")
        weight = 0 if plain else _weight(taken.records)
        try:
            return await aside.run(weight, lambda: rendered(taken))
        except encoding.Unreadable:
            return await aside.run(aside.LARGE, lambda: rendered(listing.readable(taken, asked.resource)))

    async def _taken(self, request: Request, asked: Route, limit: int, selector: selectors.Selector) -> listing.Taken:
        """The newest state, which is right for every resourceVersion that has been, unless it is to be exact; of it all
        that may be selected."""
        version = options.whole_number(request, "resourceVersion")
        token = request.query.get("continue", "")
        if version and token:
            raise errors.bad_request("specifying resource version is not allowed when using continue")
        if _is_exact(request, version, limit):
            return listing.take_at(self._store, asked.resource, asked.namespace, version)
        if not token and (about := topic(asked.resource, selector)) is not None:
            found = await self._indexes.records(asked.resource, asked.namespace, about)
            if found is not None:
                return listing.Taken(found, self._store.revision)
        return listing.take(self._store, asked.resource, asked.namespace, token)

    async def selected(self, request: Request, asked: Route) -> listing.Page:
        """All objects that a deletecollection means."""
        self._check(request, asked)
        taken, selector = listing.take(self._store, asked.resource, asked.namespace, ""), self._selector(request, asked)
        return await aside.run(
            _weight(taken.records),
            lambda: listing.page(listing.readable(taken, asked.resource), asked.resource, selector, 0),
        )

    def _selector(self, request: Request, asked: Route) -> selectors.Selector:
        query = request.query
        if asked.name:
            return selectors.parse(asked.resource, "", f"metadata.name={asked.name}")
        return selectors.parse(asked.resource, query.get("labelSelector", ""), query.get("fieldSelector", ""))

    def _table(self, request: Request, resource: Resource, part: listing.Page) -> Response:
        rendered = table(
            resource,
            [encoding.to_object(record, resource) for record in part.records],
            include=_included(request),
            now=self._now(),
            resource_version=str(part.resource_version),
            continue_=part.continue_,
            remaining=part.remaining,
        )
        rows = b",".join(map(dump, rendered.pop("rows")))  # one by one: no other thread has a turn within one
        return Response(200, b'%b,"rows":[%b]}' % (dump(rendered)[:-1], rows), JSON)

    def watch(self, request: Request, asked: Route) -> Stream:
        """A stream of events; of a version that is too old, one that says so. Raises StatusError 400, 406 or 504."""
        check_accept(request, asked)
        _check_watch(request)
        version = request.query.get("resourceVersion", "")
        initial = options.flag(request, "sendInitialEvents")
        since = None if initial or version in ("", "0") else options.whole_number(request, "resourceVersion")
        timeout = options.whole_number(request, "timeoutSeconds") or self._random.randint(1800, 3600)
        wanted = WatchOptions(
            asked.namespace,
            self._selector(request, asked),
            since,
            options.flag(request, "allowWatchBookmarks"),
            float(timeout),
            initial,
        )
        render, decodes = self._render(request, asked.resource), partial.wants_table(request)
        watcher = Watcher(self._store, asked.resource, wanted, self._frames, render, decodes=decodes)
        try:
            lines = watcher.open()
        except StatusError as error:
            if error.code != 410:
                raise
            return Stream(_refusal(error), JSON)
        self._watches.add(asked.resource, watcher)
        return Stream(lines, JSON)

    def _render(self, request: Request, resource: Resource) -> Render | None:
        if partial.wants_table(request):
            return self._table_render(resource, _included(request))
        if not partial.wanted(request):
            return None
        made = self._frames.made
        return lambda type_, record: made(
            record, type_, resource, ("metadata",), lambda: frame(type_, partial.body(record, resource))
        )

    def _table_render(self, resource: Resource, include: str) -> Render:
        """Ages are told by the second, and so a line is as good for all who ask within one."""
        first = True

        def line(type_: str, record: Record, second: int, headers: bool) -> bytes:
            objects, version = [encoding.to_object(record, resource)], str(record.revision)
            made = table(resource, objects, include=include, now=second, resource_version=version, headers=headers)
            return frame(type_, dump(made))

        def render(type_: str, record: Record) -> bytes:
            nonlocal first
            second, headers = int(self._now()), first
            form = ("Table", include, second, headers)
            made = self._frames.made(record, type_, resource, form, lambda: line(type_, record, second, headers))
            first = False
            return made

        return render


def _weight(records: Sequence[Record]) -> int:
    """What it weighs to decode records, counted as far as it matters."""
    weight = 0
    for record in records:
        weight += _DECODED + len(record.body) // _BYTES
        if weight >= aside.LARGE:
            break
    return weight


async def _refusal(error: StatusError) -> AsyncIterator[bytes]:
    """A watch that ends at once, as the real server's watch cache says it."""
    yield frame("ERROR", dump(error.status()))


def _is_exact(request: Request, version: int, limit: int) -> bool:
    """https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list"""
    match = request.query.get("resourceVersionMatch", "")
    return match == _EXACT or bool(not match and version and limit)


def _check_list(request: Request) -> None:
    """Whether the options of a list go together, as ListOptions are validated. Raises StatusError 400 or 422."""
    for number in ("limit", "timeoutSeconds"):
        options.int64(request, number)
    match = request.query.get("resourceVersionMatch", "")
    version = request.query.get("resourceVersion", "")
    causes = []
    if match and not version:
        causes.append(_forbidden(_MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided"))
    if match and request.query.get("continue"):
        causes.append(_forbidden(_MATCH, "resourceVersionMatch is forbidden when continue is provided"))
    if match not in ("", _EXACT, _NOT_OLDER):
        causes.append(_unsupported_match(match, f'"{_EXACT}", "{_NOT_OLDER}", ""'))
    if match == _EXACT and version == "0":
        causes.append(_forbidden(_MATCH, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
    if _INITIAL in request.query:
        causes.append(_forbidden(_INITIAL, "sendInitialEvents is forbidden for list"))
    _raise_invalid(causes)


def _check_watch(request: Request) -> None:
    """The same, of a watch."""
    match = request.query.get("resourceVersionMatch", "")
    initial = _INITIAL in request.query
    causes = []
    if initial and match != _NOT_OLDER:
        causes.append(_forbidden(_MATCH, f"sendInitialEvents requires setting resourceVersionMatch to {_NOT_OLDER}"))
    if match and not initial:
        causes.append(
            _forbidden(_MATCH, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
        )
    if match not in ("", _NOT_OLDER):
        causes.append(_unsupported_match(match, f'"{_NOT_OLDER}"'))
    _raise_invalid(causes)


def _forbidden(field: str, why: str) -> Cause:
    return Cause("FieldValueForbidden", f"Forbidden: {why}", field)


def _unsupported_match(match: str, supported: str) -> Cause:
    return Cause("FieldValueNotSupported", f'Unsupported value: "{match}": supported values: {supported}', _MATCH)


def _raise_invalid(causes: Sequence[Cause]) -> None:
    if causes:
        raise errors.invalid("meta.k8s.io", "ListOptions", "", tuple(causes))


def _included(request: Request) -> str:
    """How much of its object a table's row has. Raises StatusError 400."""
    include = request.query.get("includeObject") or "Metadata"
    if include not in ("Metadata", "None", "Object"):
        raise errors.bad_request(
            "Unable to convert to Table as requested: includeObject: "
            f"Invalid value: \"{include}\": must be 'Metadata', 'Object', 'None', or empty"
        )
    return include
