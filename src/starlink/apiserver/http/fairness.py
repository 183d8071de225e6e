"""Whose turn it is: a queue that serves users in turn, and counts of what is held. No I/O, no clock."""

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

_KEPT_SHARES = 1024


class _Share(Generic[T]):
    """What one user waits for and holds."""

    __slots__ = ("held", "in_ring", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[T] = deque()
        self.held = 0
        self.in_ring = False


class FairQueue(Generic[T]):
    """Users take turns: each `take` gives the next user's oldest item, whoever queued how many.

    At most `handled` items are out at once, and `handled_per_user` of one user; an item is out from
    `take` to `done`. At most `queued` wait, and `queued_per_user` of one user.
    """

    def __init__(self, *, handled: int, handled_per_user: int, queued: int, queued_per_user: int) -> None:
        self._handled_limit = handled
        self._handled_per_user = handled_per_user
        self._queued_limit = queued
        self._queued_per_user = queued_per_user
        self._shares: dict[Hashable, _Share[T]] = {}
        self._ring: deque[_Share[T]] = deque()
        self.handled = 0
        self.queued = 0

    def push(self, user: Hashable, item: T) -> bool:
        """Queues an item; gives False, and does not, when too many wait."""
        share = self._shares.get(user) or self._new_share(user)
        if self.queued >= self._queued_limit or len(share.waiting) >= self._queued_per_user:
            return False
        share.waiting.append(item)
        self.queued += 1
        self._enter(share)
        return True

    @property
    def ready(self) -> bool:
        """Whether an item waits that may be handled now."""
        return bool(self._ring) and self.handled < self._handled_limit

    def take(self) -> T | None:
        """The item whose turn it is; None when none waits, or none may be handled now."""
        if not self._ring or self.handled >= self._handled_limit:
            return None
        share = self._ring.popleft()
        share.in_ring = False
        share.held += 1
        self.handled += 1
        self.queued -= 1
        item = share.waiting.popleft()
        self._enter(share)
        return item

    def done(self, user: Hashable) -> None:
        """One of the user's items that were taken has been handled."""
        share = self._shares[user]
        share.held -= 1
        self.handled -= 1
        self._enter(share)

    def _enter(self, share: _Share[T]) -> None:
        """Puts the user at the ring's end, if something of theirs may be handled."""
        if share.waiting and not share.in_ring and share.held < self._handled_per_user:
            share.in_ring = True
            self._ring.append(share)

    def _new_share(self, user: Hashable) -> _Share[T]:
        if len(self._shares) >= _KEPT_SHARES:
            self._shares = {key: share for key, share in self._shares.items() if share.waiting or share.held}
        return self._shares.setdefault(user, _Share())


class Quota:
    """Counts what users hold: at most `per_user` each, and `total` together."""

    def __init__(self, *, total: int, per_user: int) -> None:
        self._total = total
        self._per_user = per_user
        self._held: dict[Hashable, int] = {}
        self.taken = 0

    def take(self, user: Hashable) -> bool:
        """Takes one; gives False, and does not, when there is none left."""
        held = self._held.get(user, 0)
        if self.taken >= self._total or held >= self._per_user:
            return False
        self._held[user] = held + 1
        self.taken += 1
        return True

    def give_back(self, user: Hashable) -> None:
        """Gives back one that was taken."""
        self.taken -= 1
        left = self._held[user] - 1
        if left:
            self._held[user] = left
        else:
            del self._held[user]


class Budget:
    """An amount that many share."""

    def __init__(self, total: int) -> None:
        self._total = total
        self.taken = 0

    def take(self, amount: int) -> bool:
        """Takes so much; gives False, and takes nothing, when that is not left."""
        if self.taken + amount > self._total:
            return False
        self.taken += amount
        return True

    def give_back(self, amount: int) -> None:
        """Gives back what was taken."""
        self.taken -= amount
