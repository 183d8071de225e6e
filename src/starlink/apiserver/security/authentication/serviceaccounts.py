"""TokenRequest: a ServiceAccount's token, bound to the account and short-lived.

Source: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
"""

from collections.abc import Callable

from starlink.api import errors
from starlink.api.timestamp import format_time
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.security.authentication.tokens import Bound, TokenIssuer

TOKEN_REQUEST = ("authentication.k8s.io/v1", "TokenRequest")
"""Its apiVersion and kind."""

DEFAULT_SECONDS = 3600
LEAST_SECONDS = 600
MOST_SECONDS = 7 * 24 * 3600
"""A week, so that an edge server that was off for some days still gets in."""

SecretUid = Callable[[str, str], str | None]


def request_token(
    issuer: TokenIssuer, account: Obj, asked: Obj, now: float, secret_uid: SecretUid | None = None
) -> Obj:  # fmt: skip
    """The answer to a TokenRequest that fits its schema. `secret_uid(namespace, name)` gives the UID of a Secret that
    the token may be bound to, None when there is none; without it nothing can be bound to.

    Raises StatusError 422 for a duration, and 400, 404 or 409 for an object to bind to.
    """
    meta = account["metadata"]
    spec = asked.get("spec") or {}
    seconds = _seconds(spec)
    audiences = spec.get("audiences") or [issuer.issuer]
    bound = _bound(spec.get("boundObjectRef"), meta["namespace"], secret_uid)
    token, expiry = issuer.issue(
        meta["namespace"], meta["name"], meta["uid"], seconds, now, audiences=audiences, bound=bound
    )
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"], "creationTimestamp": format_time(now)},
        "spec": {
            "audiences": audiences,
            "expirationSeconds": seconds,
            "boundObjectRef": spec.get("boundObjectRef"),
        },
        "status": {"token": token, "expirationTimestamp": format_time(expiry)},
    }


def _seconds(spec: Obj) -> int:
    seconds = spec.get("expirationSeconds") or DEFAULT_SECONDS
    why = ""
    if not isinstance(seconds, int) or seconds < LEAST_SECONDS:
        why = "may not specify a duration less than 10 minutes"
    elif seconds > 1 << 32:
        why = "may not specify a duration larger than 2^32 seconds"
    if why:
        cause = errors.Cause("FieldValueInvalid", f"Invalid value: {seconds}: {why}", "spec.expirationSeconds")
        raise errors.invalid("authentication.k8s.io", TOKEN_REQUEST[1], "", (cause,))
    return min(int(seconds), MOST_SECONDS)


def _bound(reference: Obj | None, namespace: str, secret_uid: SecretUid | None) -> Bound | None:
    if not reference:
        return None
    version, kind, name = (reference.get(field) or "" for field in ("apiVersion", "kind", "name"))
    if (version, kind) != ("v1", "Secret") or secret_uid is None:
        group, _, bare = version.rpartition("/")
        raise errors.bad_request(f"cannot bind token to object of type {group}/{bare}, Kind={kind}")
    uid = secret_uid(namespace, name)
    if uid is None:
        raise errors.not_found("", "secrets", name)
    if reference.get("uid") and reference["uid"] != uid:
        why = (
            f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
            "The object might have been deleted and then recreated"
        )
        raise errors.conflict("", "Secret", name, why)
    return Bound(name, uid)
