"""What placing one instance of a batch changes for the next: quotas, watermarks, domains that fill, and neighbours that
come."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np

from starlink.scheduling import filters, score
from starlink.scheduling.arrays import Amounts, Codes, Indices, Mask, Scores, distinct
from starlink.scheduling.ask import HOSTNAME, Ask, Term
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.pool import UNLIMITED
from starlink.scheduling.quotas import quota_left
from starlink.scheduling.watermarks import watermarks_left
from starlink.scheduling.weighing import Weight, policy, weight_at


class Rule(ABC):
    """What placing one instance changes for other servers: by `codes`, which all servers of a lane have in common.
    `codes` -1 is no domain."""

    def __init__(self, codes: Codes) -> None:
        self.codes = codes

    def look_at(self, servers: Indices) -> None:
        """From here on, positions are those in `servers`."""
        self.codes = self.codes[servers]

    @property
    def lanes(self) -> Codes:
        """What tells servers apart for which the rule judges differently; -1 is a lane too."""
        return self.codes

    @abstractmethod
    def judge(self, scores: Scores) -> Scores:
        """The scores as the rule sees them, -inf where it forbids."""

    @abstractmethod
    def took(self, position: int) -> None:
        """An instance has been placed there."""


class Limit(Rule):
    """How many more instances each pool takes."""

    def __init__(self, fleet: Fleet, ask: Ask, servers: Indices, left: Amounts) -> None:
        super().__init__(fleet.pool_codes)
        self._concerned = fleet.pool_codes[servers[:1]] if ask.pool else distinct(fleet.pool_codes[servers])
        self._left = left

    @property
    def limit(self) -> int | None:
        """How many fit in all, where only one pool is concerned."""
        return int(self._left[self._concerned[0]]) if len(self._concerned) == 1 else None

    @property
    def limits(self) -> bool:
        return min(self._left[self._concerned].tolist(), default=UNLIMITED) < UNLIMITED

    def judge(self, scores: Scores) -> Scores:
        return np.where(self._left[self.codes] > 0, scores, -np.inf)


class Watermark(Limit):
    """The watermarks of several pools."""

    def took(self, position: int) -> None:
        self._left = self._left.copy()
        self._left[self.codes[position]] -= 1


class Quota(Limit):
    """The quotas of several pools, which may share."""

    def __init__(self, fleet: Fleet, ask: Ask, servers: Indices, left: Amounts) -> None:
        super().__init__(fleet, ask, servers, left)
        self._fleet, self._ask = fleet, ask
        self._used: dict[str, dict[str, int]] | None = None

    def took(self, position: int) -> None:
        if self._used is None:
            self._used = {name: dict(used) for name, used in self._fleet.quota_used.items()}
        used = self._used[self._fleet.pool_names[self.codes[position]]]
        for key, amount in self._ask.load.quota:
            used[key] = used.get(key, 0) + amount
        self._left = quota_left(self._fleet, self._ask, self._used)


class Apart(Rule):
    """At most one of the group in a domain."""

    def __init__(self, codes: Codes) -> None:
        super().__init__(codes)
        self._closed = np.zeros(int(codes.max(initial=0)) + 2, np.bool_)

    def judge(self, scores: Scores) -> Scores:
        return np.where(self._closed[self.codes], -np.inf, scores)

    def took(self, position: int) -> None:
        if self.codes[position] >= 0:
            self._closed[self.codes[position]] = True


class Together(Rule):
    """All in the domain of the first."""

    def __init__(self, codes: Codes) -> None:
        super().__init__(codes)
        self._domain: int | None = None

    def judge(self, scores: Scores) -> Scores:
        return scores if self._domain is None else np.where(self.codes == self._domain, scores, -np.inf)

    def took(self, position: int) -> None:
        self._domain = int(self.codes[position])


class Even(Rule):
    """Domains of about equal numbers."""

    def __init__(self, codes: Codes, counts: Amounts, among: Mask, max_skew: int) -> None:
        super().__init__(codes)
        self._counts: Scores = np.full(len(counts) + 1, np.inf)  # where none may go, and in no domain, at the end
        self._counts[:-1][among] = counts[among]
        self._max_skew = max_skew

    def judge(self, scores: Scores) -> Scores:
        lowest = self._counts[self._counts.argmin()]
        return np.where(self._counts[self.codes] < lowest + self._max_skew, scores, -np.inf)

    def took(self, position: int) -> None:
        self._counts[self.codes[position]] += 1


class Wish(Rule):
    """What is no must, and weighs so much on each server."""

    def __init__(self, codes: Codes, weight: Weight) -> None:
        super().__init__(codes)
        self._weight = weight

    def look_at(self, servers: Indices) -> None:
        super().look_at(servers)
        self._weight = weight_at(self._weight, servers)

    @property
    def lanes(self) -> Codes:
        if not isinstance(self._weight, np.ndarray):
            return self.codes
        kinds = np.unique(self._weight, return_inverse=True)[1]
        lanes: Codes = kinds * (int(self.codes.max(initial=0)) + 2) + self.codes + 1
        return lanes


class Balanced(Wish):
    """The wish for domains of about equal numbers."""

    def __init__(self, codes: Codes, counts: Amounts, among: Mask, weight: Weight) -> None:
        super().__init__(codes, weight)
        self._counts, self._among = counts, among

    def judge(self, scores: Scores) -> Scores:
        return scores - self._weight * score.skew(self._counts, self._among)[self.codes]

    def took(self, position: int) -> None:
        if self.codes[position] >= 0:
            self._counts[self.codes[position]] += 1


class Company(Wish):
    """The wish to be near to the group's own instances, or apart from them."""

    def __init__(self, codes: Codes, counts: Amounts, weight: Weight) -> None:
        super().__init__(codes, weight)
        self._met = np.append(counts > 0, np.False_)

    def judge(self, scores: Scores) -> Scores:
        return scores + self._weight * self._met[self.codes]

    def took(self, position: int) -> None:
        if self.codes[position] >= 0:
            self._met[self.codes[position]] = True


def rules_of(fleet: Fleet, ask: Ask, found: filters.Feasible) -> Iterator[Rule]:
    """The rules of a batch, given the servers that are feasible for it."""
    group, left = ask.load.group, found.quota_left
    if left is not None and (quota := Quota(fleet, ask, found.later, left)).limits:
        yield quota
    until_above = watermarks_left(fleet, ask)
    if until_above is not None and (mark := Watermark(fleet, ask, found.later, until_above)).limits:
        yield mark
    for term in ask.anti_affinity:
        if concerns_itself(ask, term) and term.key != HOSTNAME:
            yield Apart(fleet.domains(term.key).codes)
    for term in ask.affinity:
        if concerns_itself(ask, term) and not any(fleet.groups.get(one) for one in term.groups):
            yield Together(fleet.domains(term.key).codes)
    for spread in ask.spread:
        domains = fleet.domains(spread.key)
        counts, among = fleet.counts((group,), spread.key), filters.eligible(fleet, ask, spread.key)
        if spread.required:
            yield Even(domains.codes, counts, among, spread.max_skew)
        else:
            yield Balanced(domains.codes, counts, among, policy(fleet, ask).spread)
    for term, weight in score.wishes(fleet, ask, own=True):
        yield Company(fleet.domains(term.key).codes, fleet.counts(term.groups, term.key), weight)


def concerns_itself(ask: Ask, term: Term) -> bool:
    """Whether a must is about the instances' own group."""
    return term.weight is None and ask.load.group in term.groups
