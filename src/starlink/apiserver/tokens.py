"""ServiceAccount tokens: signed, bound to the account's UID, with an end."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

ALGORITHM = "ES256"


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


class TokenIssuer:
    """Issues and verifies with one EC P-256 private key, a PEM file."""

    def __init__(self, key_path: Path, issuer: str = "https://kubernetes.default.svc.cluster.local") -> None:
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key = load_pem_private_key(key_path.read_bytes(), None)
        if not isinstance(key, EllipticCurvePrivateKey):
            raise ValueError(f"{key_path} holds no EC private key; delete it to have one made")
        self.issuer = issuer
        self._private = key
        self._public = key.public_key()

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
        return jwt.encode(claims, self._private, algorithm=ALGORITHM), float(expiry)

    def verify(self, token: str, now: float, audiences: Sequence[str] = ()) -> Claims:
        """What a token for one of the `audiences` says, by default for this server. Raises InvalidToken."""
        try:
            claims = jwt.decode(
                token,
                self._public,
                algorithms=[ALGORITHM],
                audience=list(audiences) or self.issuer,
                issuer=self.issuer,
                options={
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "require": ["exp", "sub"],
                },
            )
            about = claims["kubernetes.io"]
            account, secret = about["serviceaccount"], about.get("secret")
            found = Claims(
                about["namespace"],
                account["name"],
                account["uid"],
                float(claims["exp"]),
                tuple(claims["aud"]),
                Bound(secret["name"], secret["uid"]) if secret else None,
            )
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError) as error:
            raise InvalidToken(f"invalid bearer token: {error}") from None
        if found.expiry <= now:
            raise InvalidToken("invalid bearer token: it has expired; ask for a new one")
        return found
