"""ServiceAccount tokens: signed, bound to the account's UID, with an end."""

from dataclasses import dataclass
from pathlib import Path

import jwt

ALGORITHM = "ES256"


class InvalidToken(Exception):
    """The token does not prove an identity; the message says why."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Whose token it is; `expiry` in epoch seconds."""

    namespace: str
    name: str
    uid: str
    expiry: float


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

    def issue(self, namespace: str, name: str, uid: str, seconds: int, now: float) -> tuple[str, float]:
        """A token and its expiry in epoch seconds."""
        expiry = int(now) + seconds
        claims = {
            "iss": self.issuer,
            "aud": [self.issuer],
            "sub": f"system:serviceaccount:{namespace}:{name}",
            "iat": int(now),
            "nbf": int(now) - 60,
            "exp": expiry,
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}},
        }
        return jwt.encode(claims, self._private, algorithm=ALGORITHM), float(expiry)

    def verify(self, token: str, now: float) -> Claims:
        """Raises InvalidToken."""
        try:
            claims = jwt.decode(
                token,
                self._public,
                algorithms=[ALGORITHM],
                audience=self.issuer,
                issuer=self.issuer,
                options={
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "require": ["exp", "sub"],
                },
            )
            bound = claims["kubernetes.io"]
            account = bound["serviceaccount"]
            found = Claims(bound["namespace"], account["name"], account["uid"], float(claims["exp"]))
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError) as error:
            raise InvalidToken(f"invalid bearer token: {error}") from None
        if found.expiry <= now:
            raise InvalidToken("invalid bearer token: it has expired; ask for a new one")
        return found
