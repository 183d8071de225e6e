"""Whether a request's body may come, which its head decides: who sends it, and whether they may."""

from starlink.api.errors import StatusError
from starlink.http.accounts import payer
from starlink.http.bodies import Claim, is_small
from starlink.http.channel import Channel
from starlink.http.incoming import Incoming
from starlink.http.message import ANONYMOUS, Request, User
from starlink.http.service import Service


class Gate:
    """Knows who sends the requests of one connection."""

    __slots__ = ("_channel", "_service")

    def __init__(self, service: Service, channel: Channel) -> None:
        self._service = service
        self._channel = channel

    def user(self, item: Incoming) -> User:
        """Raises StatusError 401."""
        authorization = item.headers.get("authorization", "")
        authorities = self._service.channels.tls.authorities
        return self._service.authenticator.user(authorization, self._channel.session.peer, authorities)

    def has_revoked(self, item: Incoming, user: User) -> bool:
        """Whether the credentials of a request that was its user's have ended since: the account is gone, or their
        time is over."""
        if user is ANONYMOUS:
            return False
        try:
            self.user(item)
        except StatusError:
            return True
        return False

    def request(self, item: Incoming, user: User) -> Request:
        """The request as its sender's."""
        return Request(item.method, item.path, item.query, item.headers, item.body, user, self._channel.remote)

    def tell_refused(self, item: Incoming, error: StatusError) -> None:
        """Has it noted that the sender's credentials are not good."""
        who = self._service.authenticator.claimed(item.headers.get("authorization", ""), self._channel.session.peer)
        self._service.refused(self.request(item, ANONYMOUS), error.message, who)

    def admit(self, item: Incoming, size: int | None) -> Claim:
        """On whose account the body of a request comes, of which only the head is there. A small one comes in any case,
        for with it the connection can be kept. Raises StatusError, 401 or what is certain whatever the body says."""
        small = is_small(size, self._service.channels.limits.small)
        try:
            user = self.user(item)
        except StatusError as error:
            if small:
                return self._strangers_claim()
            self.tell_refused(item, error)
            raise
        request = self.request(item, user)
        if not small and (refusal := self._service.precheck(request)) is not None:
            raise refusal
        if user is ANONYMOUS:
            return self._strangers_claim()
        return self._service.bodies.claim(self._service.account(request), size)

    def _strangers_claim(self) -> Claim:
        return self._service.bodies.strangers_claim(payer(ANONYMOUS, self._channel.remote))
