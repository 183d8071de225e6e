"""Whether an answer can be what a request's Accept header asks for. Pure.

https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representations-of-resources
"""

from starlink.api import errors
from starlink.apiserver.memo import remembered
from starlink.apiserver.requests.route import Route
from starlink.http.message import Request

_SERVED = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
"""What the real server serves; to all of them the answer is JSON, which is YAML, and which clients of protobuf read."""

_ANYTHING = ("*/*", "application/*")
_FORMS = ("", "Table", "PartialObjectMetadata", "PartialObjectMetadataList")


_STREAMED = ("application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")


def check_accept(request: Request, asked: Route) -> None:
    """Raises StatusError 406."""
    accept = request.headers.get("accept")
    if not accept:
        return
    if _is_served(accept):
        _check_form(accept, asked)
        return
    if asked.resource.custom or _is_media(accept):
        raise errors.not_acceptable(f"only the following media types are accepted: {', '.join(_SERVED)}")
    offered = (*_SERVED, *_STREAMED) if asked.verb in ("list", "watch") else _SERVED
    raise errors.not_acceptable(f"406: Not Acceptable\n\nAvailable representations: {', '.join(offered)}")


def _check_form(accept: str, asked: Route) -> None:
    """Whether the first form that is served is one of what is asked for: a list or an object."""
    is_list = asked.verb in ("list", "watch", "deletecollection")
    form = _form(next(clause for clause in accept.split(",") if _fits(clause)))
    if form == ("PartialObjectMetadata" if is_list and asked.verb != "watch" else "PartialObjectMetadataList"):
        what = "a list" if is_list else "not a list"
        raise errors.not_acceptable(f"you requested {form}, but the requested object is {what} ({asked.resource.kind})")


@remembered(256)
def _is_media(accept: str) -> bool:
    """Whether it names a media type that is served, whatever the form in which it wants the object."""
    return any(_media(clause) in (*_SERVED, *_ANYTHING) for clause in accept.split(","))


@remembered(256)
def _is_served(accept: str) -> bool:
    return any(_fits(clause) for clause in accept.split(","))


def _fits(clause: str) -> bool:
    return _media(clause) in (*_SERVED, *_ANYTHING) and _form(clause) in _FORMS


def _form(clause: str) -> str:
    wanted = dict(parameter.strip().partition("=")[::2] for parameter in clause.split(";")[1:])
    return wanted.get("as", "")


def _media(clause: str) -> str:
    return clause.partition(";")[0].strip().lower()
