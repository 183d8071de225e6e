"""Refusals of the API as values: what Kubernetes calls a Status of status Failure."""

import json
from dataclasses import dataclass, field
from typing import Any

MOST_CAUSES = 100
"""Causes of one refusal that are told, so that it is no larger and no dearer than what it refuses."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason of a refusal: `field` is a JSON path without the leading dot; `has_value` says whether a message that
    can show the field's value does."""

    reason: str
    message: str
    field: str = ""
    has_value: bool = True


@dataclass
class StatusError(Exception):
    """A refusal, to be answered with `code` and a `v1.Status` body."""

    code: int
    reason: str
    message: str
    group: str = ""
    kind: str = ""  # the plural resource or the kind, as the real server says for this reason
    name: str = ""
    uid: str = ""
    causes: tuple[Cause, ...] = ()
    retry_after: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    continue_: str = ""  # a token to go on with a list, in spite of the refusal
    fields: tuple[str, ...] = ()  # what it is about, where no cause says so
    plain: bool = False  # whether its words show nothing of what is stored
    bare: bool = False  # whether its message is all that is answered, as text
    warnings: tuple[str, ...] = ()  # what its sender is told besides

    def __str__(self) -> str:
        return self.message

    def status(self) -> dict[str, Any]:
        """The `v1.Status` object."""
        details: dict[str, Any] = {}
        for key, value in (
            ("name", self.name),
            ("group", self.group),
            ("kind", self.kind),
            ("uid", self.uid),
        ):
            if value:
                details[key] = value
        if self.causes:
            details["causes"] = [
                {"reason": c.reason, "message": c.message, **({"field": c.field} if c.field else {})}
                for c in self.causes
            ]
        if self.retry_after:
            details["retryAfterSeconds"] = self.retry_after
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": self.continue_} if self.continue_ else {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if details:
            body["details"] = details
        body["code"] = self.code
        return body


MORE = "and more"
"""Stands in a message for what there is beyond the first MOST_CAUSES."""


def qualified(group: str, plural: str) -> str:
    """`tasks.starlink.dev`, or `namespaces` in the core group."""
    return f"{plural}.{group}" if group else plural


def quoted(text: str) -> str:
    """The text in double quotes, as the real server's messages have it."""
    return json.dumps(text, ensure_ascii=False)


def bad_request(message: str, *fields: str) -> StatusError:
    """`fields` are what it is about."""
    return StatusError(400, "BadRequest", message, fields=fields)


def unauthorized(message: str = "Unauthorized") -> StatusError:
    return StatusError(401, "Unauthorized", message)


def forbidden(group: str, plural: str, name: str, why: str) -> StatusError:
    message = f'{qualified(group, plural)} "{name}" is forbidden: {why}' if name else why
    return StatusError(403, "Forbidden", message, group, plural, name)


def not_found(group: str, plural: str, name: str) -> StatusError:
    return StatusError(404, "NotFound", f'{qualified(group, plural)} "{name}" not found', group, plural, name)


def unknown_path() -> StatusError:
    return StatusError(404, "NotFound", "the server could not find the requested resource")


def page_not_found() -> StatusError:
    """What lies in no group of the built-in kinds, and is no custom resource: the real server answers it with text."""
    return StatusError(404, "NotFound", "404 page not found", bare=True)


def method_not_allowed() -> StatusError:
    return StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def not_supported(verb: str, group: str, plural: str) -> StatusError:
    """A method that a custom resource has not."""
    message = f'{verb} is not supported on resources of kind "{qualified(group, plural)}"'
    return StatusError(405, "MethodNotAllowed", message, group, plural)


def already_exists(group: str, plural: str, name: str) -> StatusError:
    return StatusError(409, "AlreadyExists", f'{qualified(group, plural)} "{name}" already exists', group, plural, name)


def conflict(group: str, plural: str, name: str, why: str) -> StatusError:
    message = f'Operation cannot be fulfilled on {qualified(group, plural)} "{name}": {why}'
    return StatusError(409, "Conflict", message, group, plural, name)


def expired(message: str, continue_: str = "") -> StatusError:
    return StatusError(410, "Expired", message, continue_=continue_)


def too_large_version(asked: int, current: int) -> StatusError:
    """A resourceVersion that has not been yet: of another cluster, or of one that was restored."""
    message = f"Too large resource version: {asked}, current: {current}"
    cause = Cause("ResourceVersionTooLarge", "Too large resource version")
    return StatusError(504, "Timeout", message, causes=(cause,), retry_after=1)


def too_large(message: str) -> StatusError:
    return StatusError(413, "RequestEntityTooLarge", message)


def unsupported_media_type(accepted: tuple[str, ...]) -> StatusError:
    listed = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {listed}"
    return StatusError(415, "UnsupportedMediaType", message)


def not_acceptable(message: str) -> StatusError:
    return StatusError(406, "NotAcceptable", message)


def invalid(group: str, kind: str, name: str, causes: tuple[Cause, ...]) -> StatusError:
    """422: `kind` here is the kind (Task), as the real server says. The first causes are told."""
    rest, causes = len(causes) > MOST_CAUSES, causes[:MOST_CAUSES]
    told = [f"{c.field}: {c.message}" if c.field else c.message for c in causes]
    if rest:
        told.append(MORE)
    listed = told[0] if len(told) == 1 else "[" + ", ".join(told) + "]"
    full = f"{kind}.{group}" if group else kind
    return StatusError(422, "Invalid", f'{full} "{name}" is invalid: {listed}', group, kind, name, causes=causes)


def unavailable(message: str, retry_after: int = 1) -> StatusError:
    return StatusError(503, "ServiceUnavailable", message, retry_after=retry_after)
