"""What requests' bodies take in memory, and on whose account. No I/O, no clock."""

from collections.abc import Hashable

from starlink.http.fairness import ORDINARY, Account, Quota
from starlink.http.limits import Limits

_SHARES = 4


class Claim:
    """What one body takes: of the first quota that has room, piece by piece."""

    __slots__ = ("_payer", "_quotas", "_taken")

    def __init__(self, payer: Hashable, *quotas: Quota) -> None:
        self._payer = payer
        self._quotas = quotas
        self._taken = [0] * len(quotas)

    def take(self, amount: int) -> bool:
        """Takes so much; gives False, and takes nothing, when that is not left."""
        for place, quota in enumerate(self._quotas):
            if quota.take(self._payer, amount):
                self._taken[place] += amount
                return True
        return False

    def give_back(self) -> None:
        """Gives back all that was taken."""
        for place, quota in enumerate(self._quotas):
            if amount := self._taken[place]:
                self._taken[place] = 0
                quota.give_back(self._payer, amount)


class Bodies:
    """What all bodies together may take. No account has more than a quarter of anything."""

    def __init__(self, limits: Limits) -> None:
        self._small = limits.small
        self._all = _shared(limits.bodies)
        self._for_small = _shared(limits.bodies_small)
        self._for_control = _shared(limits.bodies_control)
        self._for_strangers = _shared(limits.bodies_strangers)

    @property
    def taken(self) -> int:
        """The bytes that the bodies of authenticated senders take."""
        return self._all.taken + self._for_small.taken + self._for_control.taken

    @property
    def taken_by_strangers(self) -> int:
        return self._for_strangers.taken

    def claim(self, account: Account, size: int | None) -> Claim:
        """For a body of somebody's; `size` is None where it is not known before. What is reserved is taken of last."""
        quotas = [self._all]
        if is_small(size, self._small):
            quotas.append(self._for_small)
        if account.weight > ORDINARY:
            quotas.append(self._for_control)
        return Claim(account.user, *quotas)

    def strangers_claim(self, payer: Hashable) -> Claim:
        """For a body of somebody who has proved nothing."""
        return Claim(payer, self._for_strangers)


def is_small(size: int | None, most: int) -> bool:
    """Whether a body is known to be of at most so many bytes."""
    return size is not None and size <= most


def _shared(total: int) -> Quota:
    return Quota(total=total, per_user=total // _SHARES)
