"""Whether an answer can be what a request's Accept header asks for. Pure.

https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representations-of-resources
"""

from starlink.apiserver import errors
from starlink.apiserver.memo import remembered
from starlink.apiserver.message import Request

_SERVED = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
"""What the real server serves; to all of them the answer is JSON, which is YAML, and which clients of protobuf read."""

_ANYTHING = ("*/*", "application/*")
_FORMS = ("", "Table", "PartialObjectMetadata", "PartialObjectMetadataList")


def check_accept(request: Request) -> None:
    """Raises StatusError 406."""
    accept = request.headers.get("accept")
    if accept and not _is_served(accept):
        raise errors.not_acceptable(_SERVED)


@remembered(256)
def _is_served(accept: str) -> bool:
    return any(_fits(clause) for clause in accept.split(","))


def _fits(clause: str) -> bool:
    media, *parameters = (part.strip() for part in clause.split(";"))
    wanted = dict(parameter.partition("=")[::2] for parameter in parameters)
    return media.lower() in (*_SERVED, *_ANYTHING) and wanted.get("as", "") in _FORMS
