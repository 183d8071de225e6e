"""Who asks: a client certificate of our authority, a ServiceAccount's token, or nobody in particular."""

from collections.abc import Callable, Sequence

from starlink.api import errors
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.security.authentication import bootstrap_tokens
from starlink.apiserver.security.authentication.claims import claimed
from starlink.apiserver.security.authentication.tokens import Claims, InvalidToken, TokenIssuer, matching
from starlink.http import subject
from starlink.http.authorities import Authorities, InvalidCertificate
from starlink.http.message import ANONYMOUS, AUTHENTICATED, User
from starlink.store.base import Key

_KEPT = 4096
_LONGEST = 2048
"""Characters of a token that is remembered; usual ones have 700, and one for many audiences has tens of thousands."""

Find = Callable[[Key], Obj | None]
"""A stored object, None when there is none."""


class Authenticator:
    """Whatever names a service account ends at once when the account is deleted, which `find` tells."""

    def __init__(self, tokens: TokenIssuer, find: Find, now: Callable[[], float]) -> None:
        self._tokens = tokens
        self._find = find
        self._now = now
        self._seen: dict[str, tuple[Claims, User]] = {}

    def user(self, authorization: str, certificate: bytes = b"", authorities: Authorities | None = None) -> User:
        """The user of a request. Raises StatusError 401, which says why.

        `certificate` is the client's, in DER, and `authorities` may vouch for it. As in the real server,
        a certificate goes before a token, a good token makes up for a bad certificate, and bad
        credentials are not anonymous:
        https://kubernetes.io/docs/reference/access-authn-authz/authentication/
        """
        faults: list[str] = []
        if certificate and authorities is not None:
            try:
                if user := authorities.user(certificate, self._now()):
                    return self._living(user)
            except InvalidCertificate as error:
                faults.append(str(error))
        if authorization:
            try:
                return self._bearer(_token(authorization))
            except InvalidToken as error:
                faults.append(str(error))
        if not faults:
            return ANONYMOUS
        raise errors.unauthorized(f"Unauthorized: {faults[0] if len(faults) == 1 else '[' + ', '.join(faults) + ']'}")

    def claimed(self, authorization: str, certificate: bytes = b"") -> str:
        """Who a request claims to come from, of which nothing need be true."""
        return claimed(authorization, certificate)

    def of_token(self, token: str, audiences: Sequence[str]) -> tuple[User, tuple[str, ...]]:
        """The user of a bearer token, and for which of the `audiences` it is; one that is for none of them names
        nobody. Raises StatusError 401."""
        try:
            return self._reviewed(token, audiences)
        except InvalidToken as error:
            raise errors.unauthorized(f"Unauthorized: {error}") from None

    def _reviewed(self, token: str, audiences: Sequence[str]) -> tuple[User, tuple[str, ...]]:
        """A token for others is not remembered, so that what is remembered is always for this server."""
        if bootstrap_tokens.is_bootstrap_token(token):
            user, held = self._bearer(token), (self._tokens.issuer,)
            return user, matching(held, audiences)
        claims = self._tokens.verify(token, self._now(), audiences)
        self._check_alive(claims)
        return _user_of(claims), matching(claims.audiences, audiences)

    def _living(self, user: User) -> User:
        """The user of a certificate. Raises InvalidCertificate when it is for a service account that is gone."""
        account = subject.account_named(user.name, user.uid)
        if account is not None and not self._is(_account_key(account.namespace, account.name), account.uid):
            raise InvalidCertificate(
                f"invalid certificate: its service account {account.namespace}/{account.name} is gone"
            )
        return user

    def _bearer(self, token: str) -> User:
        if bootstrap_tokens.is_bootstrap_token(token):
            return bootstrap_tokens.user_of(token, self._find(bootstrap_tokens.key_of(token)), self._now())
        claims, user = self._seen.get(token) or self._verify(token)
        if claims.expiry <= self._now():
            self._seen.pop(token, None)
            raise InvalidToken("invalid bearer token: it has expired; ask for a new one")
        self._check_alive(claims)
        return user

    def _check_alive(self, claims: Claims) -> None:
        """Raises InvalidToken when the account, or what the token is bound to, is gone."""
        if not self._is(_account_key(claims.namespace, claims.name), claims.uid):
            raise InvalidToken(f"invalid bearer token: its service account {claims.namespace}/{claims.name} is gone")
        if claims.bound and not self._is(Key("/secrets", claims.namespace, claims.bound.name), claims.bound.uid):
            raise InvalidToken(f"invalid bearer token: its secret {claims.namespace}/{claims.bound.name} is gone")

    def _is(self, key: Key, uid: str) -> bool:
        """Whether the object that is there now is the one with this UID, and is not being deleted."""
        found = self._find(key)
        if found is None or not uid:
            return False
        meta = found["metadata"]
        return bool(meta["uid"] == uid) and not meta.get("deletionTimestamp")

    def _verify(self, token: str) -> tuple[Claims, User]:
        """Verifies a token, and remembers it: a signature takes longer than a small request."""
        claims = self._tokens.verify(token, self._now())
        user = _user_of(claims)
        if len(token) <= _LONGEST:
            if len(self._seen) >= _KEPT:
                del self._seen[next(iter(self._seen))]
            self._seen[token] = claims, user
        return claims, user


def _user_of(claims: Claims) -> User:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{claims.namespace}", AUTHENTICATED)
    return User(f"system:serviceaccount:{claims.namespace}:{claims.name}", groups, claims.uid)


def _account_key(namespace: str, name: str) -> Key:
    return Key("/serviceaccounts", namespace, name)


def _token(authorization: str) -> str:
    """The token of an Authorization header. Raises InvalidToken."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise InvalidToken("the Authorization header must be 'Bearer TOKEN'")
    return token.strip()
