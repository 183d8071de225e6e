"""A bulk write's answer: the requests that it stands for, and what becomes of theirs."""

from collections.abc import Iterator, Mapping, Sequence

from starlink.api import errors
from starlink.api.errors import StatusError
from starlink.apiserver import aside
from starlink.apiserver.requests import bodies, options
from starlink.apiserver.requests.bulk import reading
from starlink.apiserver.requests.bulk.reading import CREATE, Item
from starlink.apiserver.requests.reading.accepting import check_accept
from starlink.apiserver.requests.route import Route
from starlink.apiserver.requests.writing import patches
from starlink.apiserver.resources.encoding import dump
from starlink.http.media import JSON
from starlink.http.message import Parts, Request, Response
from starlink.http.warning_header import MAX_WARNINGS

MOST_ANSWERED = 16 * 1024 * 1024
"""Bytes of answers after which no further item is begun: a short patch may be answered with a large object."""

_KEPT_HEADERS = ("user-agent",)
_TAKEN_OPTIONS = ("dryRun", "fieldManager", "fieldValidation")
_HEAD = b'{"apiVersion":"%b","kind":"%b","items":[' % (reading.API_VERSION.encode(), reading.KIND.encode())


async def answer(request: Request, asked: Route) -> Parts:
    """Raises StatusError 400, 406, 413, 415 or 422: then none of the items is begun."""
    check_accept(request, asked)
    if bodies.media_type(request) not in bodies.JSON:
        raise errors.unsupported_media_type(bodies.JSON[:1])
    options.write_options(request)
    items = await aside.run(len(request.body), lambda: reading.read(request.body))
    return Parts(_requests(request, items), len(items), _joined, MOST_ANSWERED, _too_much())


def _requests(outer: Request, items: Sequence[Item]) -> Iterator[Request]:
    """The requests that would do the same one by one, each made when its turn has come."""
    query = {name: outer.query[name] for name in _TAKEN_OPTIONS if name in outer.query}
    create, patch = _headers(outer, bodies.JSON[0]), _headers(outer, patches.MERGE)
    user, remote, sender = outer.user, outer.remote, outer.sender
    for item in items:
        method, headers = ("POST", create) if item.verb == CREATE else ("PATCH", patch)
        yield Request(method, item.path, query, headers, bytes(item.body), user, remote, sender)


def _headers(outer: Request, media: str) -> Mapping[str, str]:
    kept = {name: outer.headers[name] for name in _KEPT_HEADERS if name in outer.headers}
    return {**kept, "content-type": media}


def _joined(answers: Sequence[Response]) -> Response:
    """The answers in one body, each object as it was answered."""
    told = b",".join([b'{"code":%d,"object":%b}' % (one.status, _object(one)) for one in answers])
    warnings = ", ".join(_warnings(answers))
    headers = {**JSON, "warning": warnings} if warnings else JSON
    return Response(200, b"%b%b]}" % (_HEAD, told), headers)


def _warnings(answers: Sequence[Response]) -> Iterator[str]:
    """Each once, as far as a header takes them."""
    left = MAX_WARNINGS
    for text in dict.fromkeys(one.headers["warning"] for one in answers if "warning" in one.headers):
        left -= len(text)
        if left < 0:
            return
        yield text


def _object(answer: Response) -> bytes:
    if answer.headers.get("content-type") == JSON["content-type"]:
        return answer.body
    reason = "NotFound" if answer.status == 404 else ""
    return dump(StatusError(answer.status, reason, answer.body.decode(errors="replace").strip()).status())


def _too_much() -> Response:
    why = f"not begun: the answers of the other items take more than {MOST_ANSWERED} bytes; send it in another request"
    error = errors.too_large(why)
    return Response(error.code, dump(error.status()), JSON)
