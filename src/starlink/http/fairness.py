"""Whose turn it is: a queue that serves accounts in turn, and counts of what is held. No I/O, no clock."""

from collections import deque
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

ORDINARY = 1
"""The weight of an account that has no more turns than others."""

_KEPT_SHARES = 1024


class Account(NamedTuple):
    """On whose account an item goes, and at which level: one of `weight` 4 has four turns for one of a level of 1."""

    user: Hashable
    weight: int = ORDINARY


class _Level(Generic[T]):
    """The shares of one weight that have a turn coming. `passed` grows by 1/weight with each turn (stride scheduling,
    Waldspurger and Weihl 1995, https://dl.acm.org/doi/book/10.5555/889650)."""

    __slots__ = ("passed", "ring", "stride")

    def __init__(self, weight: int) -> None:
        self.ring: deque[_Share[T]] = deque()
        self.stride = 1 / weight
        self.passed = 0.0


class _Share(Generic[T]):
    """What one account waits for, each with the turns that it has yet to have, and holds."""

    __slots__ = ("held", "in_ring", "level", "waiting")

    def __init__(self, level: _Level[T]) -> None:
        self.waiting: deque[tuple[T, int]] = deque()
        self.held = 0
        self.in_ring = False
        self.level = level


class FairQueue(Generic[T]):
    """Levels take turns by their weights, and within a level accounts one after another, whoever queued how many: each
    `take` gives the next account's oldest item. An item of several turns waits behind the account's others after each.

    At most `handled` turns are taken at once, and `handled_per_user` of one account; a turn is taken from
    `take` to `done`. At most `queued` items wait, and `queued_per_user` of one account.
    """

    def __init__(self, *, handled: int, handled_per_user: int, queued: int, queued_per_user: int) -> None:
        self._handled_limit = handled
        self._handled_per_user = handled_per_user
        self._queued_limit = queued
        self._queued_per_user = queued_per_user
        self._shares: dict[Account, _Share[T]] = {}
        self._levels: dict[int, _Level[T]] = {}
        self._ready: list[_Level[T]] = []  # those with shares in their rings
        self._passed = 0.0  # by the level that had the last turn, before it
        self.handled = 0
        self.queued = 0

    def push(self, account: Account, item: T, turns: int = 1, *, admitted: bool = False) -> bool:
        """Queues an item for so many turns; gives False, and does not, when too many wait, unless it was admitted
        before and asks for further turns."""
        share = self._shares.get(account) or self._new_share(account)
        is_full = self.queued >= self._queued_limit or len(share.waiting) >= self._queued_per_user
        if is_full and not admitted:
            return False
        share.waiting.append((item, turns))
        self.queued += 1
        self._enter(share)
        return True

    @property
    def ready(self) -> bool:
        """Whether an item waits that may be handled now."""
        return bool(self._ready) and self.handled < self._handled_limit

    def take(self) -> T | None:
        """The item whose turn it is; None when none waits, or none may be handled now."""
        if not self.ready:
            return None
        share = self._next_share()
        share.in_ring = False
        share.held += 1
        self.handled += 1
        item, turns = share.waiting.popleft()
        if turns > 1:
            share.waiting.append((item, turns - 1))
        else:
            self.queued -= 1
        self._enter(share)
        return item

    def done(self, account: Account) -> None:
        """One of the account's turns that were taken has come to its end."""
        share = self._shares[account]
        share.held -= 1
        self.handled -= 1
        self._enter(share)

    def _next_share(self) -> _Share[T]:
        level = self._ready[0] if len(self._ready) == 1 else min(self._ready, key=lambda level: level.passed)
        self._passed = level.passed
        level.passed += level.stride
        share = level.ring.popleft()
        if not level.ring:
            self._ready.remove(level)
        return share

    def _enter(self, share: _Share[T]) -> None:
        """Puts the account at its ring's end, if something of it may be handled."""
        if not share.waiting or share.in_ring or share.held >= self._handled_per_user:
            return
        level = share.level
        if not level.ring:
            level.passed = max(level.passed, self._passed)  # idleness saves up no turns
            self._ready.append(level)
        share.in_ring = True
        level.ring.append(share)

    def _new_share(self, account: Account) -> _Share[T]:
        if len(self._shares) >= _KEPT_SHARES:
            self._shares = {key: share for key, share in self._shares.items() if share.waiting or share.held}
        level = self._levels.get(account.weight) or self._levels.setdefault(account.weight, _Level(account.weight))
        return self._shares.setdefault(account, _Share(level))


class Quota:
    """An amount that users share: at most `per_user` each, and `total` together."""

    def __init__(self, *, total: int, per_user: int) -> None:
        self._total = total
        self._per_user = per_user
        self._held: dict[Hashable, int] = {}
        self.taken = 0

    def take(self, user: Hashable, amount: int = 1) -> bool:
        """Takes so much; gives False, and takes nothing, when that is not left."""
        held = self._held.get(user, 0) + amount
        if self.taken + amount > self._total or held > self._per_user:
            return False
        self._held[user] = held
        self.taken += amount
        return True

    def give_back(self, user: Hashable, amount: int = 1) -> None:
        """Gives back what was taken."""
        self.taken -= amount
        left = self._held[user] - amount
        if left:
            self._held[user] = left
        else:
            del self._held[user]
