"""A refusal as an answer."""

import msgspec

from starlink.api.errors import StatusError
from starlink.http.media import JSON, TEXT
from starlink.http.message import Response
from starlink.http.warning_header import header


def status_response(error: StatusError) -> Response:
    """The refusal as an HTTP response."""
    if error.bare:
        return Response(error.code, f"{error.message}\n".encode(), {**TEXT, **error.headers})
    headers = {**JSON, **error.headers, **header(error.warnings)}
    if error.retry_after:
        headers["retry-after"] = str(error.retry_after)
    return Response(error.code, msgspec.json.encode(error.status()), headers)
