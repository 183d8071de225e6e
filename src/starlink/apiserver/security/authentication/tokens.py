"""ServiceAccount tokens: signed, bound to the account's UID, with an end."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from starlink.api.errors import quoted

ALGORITHM = "ES256"
_HEADER = {"alg": ALGORITHM, "typ": "JWT"}
_ONLY = jws.JWSRegistry(algorithms=[ALGORITHM])
_MALFORMED = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What the libraries raise for a stranger's nonsense."""


class InvalidToken(Exception):
    """The token does not prove an identity; the message says why."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A Secret in the account's namespace."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Claims:
    """Whose token it is; `expiry` in epoch seconds; `bound` is the Secret with which it ends, if any."""

    namespace: str
    name: str
    uid: str
    expiry: float
    audiences: tuple[str, ...] = ()
    bound: Bound | None = None


class _Named(msgspec.Struct):
    name: str
    uid: str


class _About(msgspec.Struct):
    namespace: str
    serviceaccount: _Named
    secret: _Named | None = None


class _Payload(msgspec.Struct, rename={"about": "kubernetes.io"}):
    iss: str
    aud: tuple[str, ...]
    sub: str
    exp: float
    about: _About


_decode = msgspec.json.Decoder(_Payload).decode


class TokenIssuer:
    """Issues and verifies with one EC P-256 private key, a PEM file."""

    def __init__(self, key_path: Path, issuer: str = "https://kubernetes.default.svc.cluster.local") -> None:
        from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(key_path.read_bytes(), None)
        except (ValueError, TypeError):
            raise ValueError(f"{key_path} holds no private key in PEM; delete it to have one made") from None
        if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
            raise ValueError(f"{key_path} holds no EC P-256 private key; delete it to have one made")
        self.issuer = issuer
        self._private = ECKey.import_key(key)
        self._public = ECKey.import_key(key.public_key())

    def issue(
        self,
        namespace: str,
        name: str,
        uid: str,
        seconds: int,
        now: float,
        *,
        audiences: Sequence[str] = (),
        bound: Bound | None = None,
    ) -> tuple[str, float]:
        """A token and its expiry in epoch seconds; for this server unless for other `audiences`."""
        expiry = int(now) + seconds
        about: dict[str, Any] = {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}}
        if bound is not None:
            about["secret"] = {"name": bound.name, "uid": bound.uid}
        claims = {
            "iss": self.issuer,
            "aud": list(audiences) or [self.issuer],
            "sub": f"system:serviceaccount:{namespace}:{name}",
            "iat": int(now),
            "nbf": int(now) - 60,
            "exp": expiry,
            "kubernetes.io": about,
        }
        token = jws.serialize_compact(_HEADER, msgspec.json.encode(claims), self._private, registry=_ONLY)
        return token, float(expiry)

    def verify(self, token: str, now: float, audiences: Sequence[str] = ()) -> Claims:
        """What a token for one of the `audiences` says, by default for this server. Raises InvalidToken."""
        said = self._said(token)
        if said.iss != self.issuer:
            raise InvalidToken(f"invalid bearer token: it is of another issuer, {said.iss}")
        matching(said.aud, audiences or (self.issuer,))
        if said.exp <= now:
            raise InvalidToken("invalid bearer token: it has expired; ask for a new one")
        account, secret = said.about.serviceaccount, said.about.secret
        bound = Bound(secret.name, secret.uid) if secret else None
        return Claims(said.about.namespace, account.name, account.uid, said.exp, said.aud, bound)

    def _said(self, token: str) -> _Payload:
        """What the token says, its signature checked. Raises InvalidToken."""
        try:
            return _decode(jws.deserialize_compact(token, self._public, registry=_ONLY).payload or b"")
        except (JoseError, *_MALFORMED):
            raise InvalidToken("invalid bearer token: it has no signature of this server") from None


def matching(held: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of a token's audiences that are `wanted`. Raises InvalidToken when none is, in the real server's words."""
    found = tuple(audience for audience in held if audience in wanted)
    if not found:
        told = f"token audiences {_listed(held)} is invalid for the target audiences {_listed(wanted)}"
        raise InvalidToken(f"invalid bearer token: {told}")
    return found


def _listed(values: Sequence[str]) -> str:
    return f"[{' '.join(map(quoted, values))}]"
