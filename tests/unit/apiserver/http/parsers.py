"""Parsers for tests of them, each with an amount that bodies may take."""

from starlink.http.bodies import Claim
from starlink.http.fairness import Quota
from starlink.http.limits import Limits
from starlink.http.parser import RequestParser


def of_bodies(most: int) -> Quota:
    """What all bodies may take."""
    return Quota(total=most, per_user=most)


def parser(bodies: Quota | int, limits: Limits | None = None) -> RequestParser:
    """One that takes every body, as long as it has room."""
    quota = of_bodies(bodies) if isinstance(bodies, int) else bodies
    return RequestParser(limits or Limits(), lambda _item, _size: Claim("", quota))
