"""When a ServiceAccount's token is to be renewed. Pure.

A token says from when to when it is good (RFC 7519, sections 4.1.4 and 4.1.6). Who holds one looks at it again and
again, by the clock of the wall, as does the server that will judge it: a timer that is set once sleeps through a
suspended machine and a clock that is set. The signature is the server's to check.
"""

import base64
import binascii
from typing import TypeVar

import msgspec

LIFE_SECONDS = 7 * 24 * 3600
"""What an agent asks for: a week, so that an edge server that was off for some days still gets in."""
LOOK_SECONDS = 5.0
"""Between two looks: shorter than the silence after which an agent is missed."""


class _Times(msgspec.Struct):
    iat: float
    exp: float


class _Subject(msgspec.Struct):
    sub: str


class _Bound(msgspec.Struct):
    pod: msgspec.Raw = msgspec.Raw()


class _Kubernetes(msgspec.Struct):
    bound: _Bound = msgspec.field(name="kubernetes.io")


_times, _subject = msgspec.json.Decoder(_Times), msgspec.json.Decoder(_Subject)
_kubernetes = msgspec.json.Decoder(_Kubernetes)
C = TypeVar("C")


def lifetime(token: str) -> tuple[float, float] | None:
    """From when to when a token is good, in epoch seconds; None when it does not say so."""
    times = _claims(token, _times)
    return (times.iat, times.exp) if times else None


def subject(token: str) -> str:
    """Whose a token is, "" when it does not say so."""
    found = _claims(token, _subject)
    return found.sub if found else ""


def is_of_pod(token: str) -> bool:
    """Whether a token is bound to a pod, and so renewed by the pod's kubelet."""
    found = _claims(token, _kubernetes)
    return found is not None and bytes(found.bound.pod) not in (b"", b"null")


def _claims(token: str, decoder: msgspec.json.Decoder[C]) -> C | None:
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        return decoder.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return None


def is_due(token: str, now: float) -> bool:
    """Whether two thirds of a token's life, or all of it, have passed at `now`. One that can't be read is due."""
    found = lifetime(token)
    if found is None:
        return True
    since, until = found
    return until - now < (until - since) / 3
