"""On whose account a request goes."""

from collections.abc import Hashable

from starlink.http.fairness import Account
from starlink.http.message import ANONYMOUS, Request, User


def payer(user: User, remote: str) -> Hashable:
    """On whose account the user's requests go: strangers are told apart by where they are."""
    return user.name if user is not ANONYMOUS else ("", remote)


def sender(request: Request) -> User:
    """Who sent a request, as whomever it is done."""
    return request.sender or request.user


def equal(request: Request) -> Account:
    """The account of a request where all senders have as many turns."""
    return Account(payer(sender(request), request.remote))
