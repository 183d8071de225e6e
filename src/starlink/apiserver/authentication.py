"""Who asks: a client certificate of our CA, a ServiceAccount's token, or nobody in particular."""

from collections.abc import Callable
from typing import Any

from starlink.apiserver import errors
from starlink.apiserver.message import ANONYMOUS, User
from starlink.apiserver.tokens import InvalidToken, TokenIssuer

AUTHENTICATED = "system:authenticated"


class Authenticator:
    """`account_uid(namespace, name)` gives a ServiceAccount's UID, None when there is none: a deleted
    account's tokens end at once."""

    def __init__(
        self, tokens: TokenIssuer, account_uid: Callable[[str, str], str | None], now: Callable[[], float]
    ) -> None:
        self._tokens = tokens
        self._account_uid = account_uid
        self._now = now

    def user(self, authorization: str, certificate: User | None) -> User:
        """The user of a request. A certificate goes before a token. Raises StatusError 401."""
        if certificate is not None:
            return certificate
        if not authorization:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise errors.unauthorized("Unauthorized: the Authorization header must be 'Bearer TOKEN'")
        return self.of_token(token.strip())

    def of_token(self, token: str) -> User:
        """The user of a bearer token. Raises StatusError 401."""
        try:
            claims = self._tokens.verify(token, self._now())
        except InvalidToken as error:
            raise errors.unauthorized(f"Unauthorized: {error}") from None
        if self._account_uid(claims.namespace, claims.name) != claims.uid:
            raise errors.unauthorized(
                f"Unauthorized: invalid bearer token: its service account {claims.namespace}/{claims.name} is gone"
            )
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{claims.namespace}", AUTHENTICATED)
        return User(f"system:serviceaccount:{claims.namespace}:{claims.name}", groups, claims.uid)


def certificate_user(peer: dict[str, Any] | None) -> User | None:
    """The user that a verified client certificate names (as ssl's getpeercert gives it): CN, and O as groups."""
    if not peer:
        return None
    parts = [part for relative in peer.get("subject", ()) for part in relative]
    names = [value for key, value in parts if key == "commonName"]
    if not names:
        return None
    groups = tuple(value for key, value in parts if key == "organizationName")
    return User(names[0], (*groups, AUTHENTICATED))
