"""Answers to a registration that no further try changes, for a person has to do something first. Pure."""

from starlink.client.errors import ClientError, Forbidden, Unauthorized, Untrusted


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
        case Forbidden():
            return f"this agent may not be server {server}: {error}; leave --name out, or {renewed}"
    return ""
