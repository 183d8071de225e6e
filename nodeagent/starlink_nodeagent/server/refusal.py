"""Answers to a registration that no further try changes, for a person has to do something first. Pure."""

from starlink.client.errors import ClientError, Forbidden, NotFound, Unauthorized, Untrusted
from starlink.client.rights import denial, explained


class Refused(Exception):
    """The message says why, and what to do."""


def reason(error: ClientError, server: str) -> str:
    """Why to give up, and what to do; "" where the next try may succeed."""
    renewed = f"take a new kubeconfig: starlink server add {server}"
    match error:
        case Untrusted():
            return f"{error}; the kubeconfig is of another StarLink, or names it as its certificate does not: {renewed}"
        case Unauthorized():
            return f"the API server knows this agent no more: {error}; {renewed}"
        case Forbidden() if (missing := denial(error)) is not None:
            return str(missing)
        case Forbidden():
            return f"this agent may not be server {server}: {error}; leave --name out, or {renewed}"
    return ""


def in_words(error: ClientError) -> str:
    """An error with what is likely behind it, where that is not said."""
    if isinstance(error, NotFound):
        return f"{error}; does this cluster have StarLink's CRDs? They are applied before an agent is started"
    return explained(error)
