"""Bootstrap tokens: short-lived identities for what joins, each a Secret `kube-system/bootstrap-token-ID`. Pure.

https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

import base64
import binascii
import hmac
import re
from typing import Any

from starlink.api.timestamp import parse_time
from starlink.apiserver.security.authentication.tokens import InvalidToken
from starlink.http.message import AUTHENTICATED, User
from starlink.store.base import Key

NAMESPACE = "kube-system"
PREFIX = "bootstrap-token-"
TYPE = "bootstrap.kubernetes.io/token"
GROUP = "system:bootstrappers"
_FORMAT = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_EXTRA_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:.-]{0,255}[a-z0-9]")
_USAGE = "usage-bootstrap-authentication"

Obj = dict[str, Any]


def is_bootstrap_token(token: str) -> bool:
    """Whether a bearer token has the form of these: ID.SECRET."""
    return _FORMAT.fullmatch(token) is not None


def key_of(token: str) -> Key:
    """Where the token's Secret lies."""
    return Key("/secrets", NAMESPACE, PREFIX + token[:6])


def user_of(token: str, secret: Obj | None, now: float) -> User:
    """Whom the token names by its Secret, None when there is none; `now` is epoch seconds. Raises InvalidToken."""
    identifier, _, given = token.partition(".")
    if secret is None or secret.get("type") != TYPE or secret["metadata"].get("deletionTimestamp"):
        raise InvalidToken(f"invalid bearer token: there is no bootstrap token {identifier}")
    data = _decoded(secret)
    right = hmac.compare_digest(data.get("token-secret", "").encode(), given.encode())
    if data.get("token-id") != identifier or not right:
        raise InvalidToken(f"invalid bearer token: it is not the bootstrap token {identifier}")
    if is_expired(secret, now):
        raise InvalidToken(f"invalid bearer token: the bootstrap token {identifier} has expired; make a new one")
    if data.get(_USAGE) != "true":
        raise InvalidToken(f"invalid bearer token: the bootstrap token {identifier} has no {_USAGE}: true")
    return User(f"system:bootstrap:{identifier}", (GROUP, *_groups(data), AUTHENTICATED))


def is_expired(secret: Obj, now: float) -> bool:
    """Whether a Secret is a bootstrap token whose time has passed, or can't be read."""
    expiration = _decoded(secret).get("expiration")
    if secret.get("type") != TYPE or not expiration:
        return False
    try:
        return parse_time(expiration) <= now
    except ValueError:
        return True


def _groups(data: dict[str, str]) -> tuple[str, ...]:
    named = (group.strip() for group in data.get("auth-extra-groups", "").split(","))
    return tuple(group for group in named if _EXTRA_GROUP.fullmatch(group))


def _decoded(secret: Obj) -> dict[str, str]:
    return {name: _text(value) for name, value in (secret.get("data") or {}).items()}


def _text(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
