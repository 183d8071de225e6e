"""Who a request claims to come from, for the record of those that are refused. Pure.

Nothing of it is proved, and nothing of it is a secret: of a token it is the name within, never the token.
"""

import base64
import binascii

import msgspec
from cryptography import x509

from starlink.apiserver.security.authentication.bootstrap_tokens import is_bootstrap_token
from starlink.http.authorities import named
from starlink.http.subject import MALFORMED

NOBODY = "nobody"


class _Subject(msgspec.Struct):
    sub: str


_decoder = msgspec.json.Decoder(_Subject)


def claimed(authorization: str, certificate: bytes = b"") -> str:
    """The claims of a request's credentials: the certificate's, in DER, and the Authorization header's."""
    told = [f"certificate of {_of_certificate(certificate)}"] if certificate else []
    if authorization:
        scheme, _, token = authorization.partition(" ")
        told.append(f"token of {_of_token(token.strip())}" if scheme.lower() == "bearer" else "no bearer token")
    return ", ".join(told) or NOBODY


def _of_certificate(der: bytes) -> str:
    try:
        user = named(x509.load_der_x509_certificate(der))
    except MALFORMED:
        return NOBODY
    return user.name if user else NOBODY


def _of_token(token: str) -> str:
    if is_bootstrap_token(token):
        return f"system:bootstrap:{token[:6]}"
    parts = token.split(".")
    try:
        return _decoder.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))).sub
    except (LookupError, binascii.Error, ValueError, msgspec.MsgspecError):
        return NOBODY
