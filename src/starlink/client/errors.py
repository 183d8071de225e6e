"""What can go wrong with a request. Whether to try again is a type, not a string."""

from typing import Any


class BadConfig(ValueError):
    """A kubeconfig, or what stands in its place, that can't be used; the message names file and field."""


class ClientError(Exception):
    """The base of all."""

    retryable = False


class Unreachable(ClientError):
    """No answer: the server is away, or the connection broke. Whether a write was done is not known."""

    retryable = True


class Untrusted(Unreachable):
    """The server's certificate is not of an authority that is trusted, or of another name. Of the certificate's dates
    it says nothing: it is the clock of this machine that may be wrong."""

    retryable = False


class ApiError(ClientError):
    """The server's refusal: a Status."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message or f"HTTP {code}")
        self.code, self.reason, self.message, self.details = code, reason, message, details or {}


class Unauthorized(ApiError):
    """401"""


class Forbidden(ApiError):
    """403"""


class NotFound(ApiError):
    """404"""


class Conflict(ApiError):
    """409: the object is not as expected; observe again."""


class AlreadyExists(ApiError):
    """409 on a create"""


class Gone(ApiError):
    """410: the resourceVersion is too old; list again."""


class Invalid(ApiError):
    """422"""


class ServerTrouble(ApiError):
    """429 or 5xx: try again later."""

    retryable = True


_BY_CODE: dict[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
}


def from_status(code: int, status: Any) -> ApiError:
    """The error that a failed answer means; `status` is its decoded body, whatever that is."""
    body = status if isinstance(status, dict) else {}
    reason, message = str(body.get("reason", "")), str(body.get("message", ""))
    if code == 404 and not reason:  # text, with which API servers answer for kinds that they don't know
        message = "the server could not find the requested resource"
    kind = _BY_CODE.get(code, ApiError)
    if code == 409 and reason == "AlreadyExists":
        kind = AlreadyExists
    if code == 429 or code >= 500:
        kind = ServerTrouble
    details = body.get("details")
    return kind(code, reason, message, details if isinstance(details, dict) else None)
