"""TokenRequest: a ServiceAccount's token, bound to the account and short-lived."""

from starlink.api.timestamp import format_time
from starlink.apiserver import errors
from starlink.apiserver.encoding import Obj
from starlink.apiserver.tokens import TokenIssuer

DEFAULT_SECONDS = 3600
LEAST_SECONDS = 600
MOST_SECONDS = 7 * 24 * 3600
"""A week, so that an edge server that was off for some days still gets in."""


def request_token(issuer: TokenIssuer, account: Obj, asked: Obj, now: float) -> Obj:
    """The answered TokenRequest. Raises StatusError 422."""
    meta = account["metadata"]
    spec = asked.get("spec") or {}
    seconds = spec.get("expirationSeconds") or DEFAULT_SECONDS
    if not isinstance(seconds, int) or seconds < LEAST_SECONDS:
        why = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
        cause = errors.Cause("FieldValueInvalid", why, "spec.expirationSeconds")
        raise errors.invalid("authentication.k8s.io", "TokenRequest", meta["name"], (cause,))
    token, expiry = issuer.issue(meta["namespace"], meta["name"], meta["uid"], min(seconds, MOST_SECONDS), now)
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {
            "name": meta["name"],
            "namespace": meta["namespace"],
            "creationTimestamp": format_time(now),
        },
        "spec": {
            "audiences": [issuer.issuer],
            "expirationSeconds": min(seconds, MOST_SECONDS),
            "boundObjectRef": None,
        },
        "status": {"token": token, "expirationTimestamp": format_time(expiry)},
    }
