"""The domains of a topology key: servers that have the value of a label in common."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from starlink.scheduling.arrays import ALL, Amounts, At, Codes, Mask

_FEW = 10  # holders, for which a loop is faster than arrays


class Domains(NamedTuple):
    """The servers' values of a topology key: `codes` index `names`, -1 for a server without the label."""

    codes: Codes
    names: tuple[str, ...]


def by_domain(domains: Domains, holders: Iterable[Mapping[int, int]]) -> Amounts:
    """The sums of numbers by server, for each domain."""
    found = np.zeros(len(domains.names) + 1, np.int64)  # the last one is for servers without the label
    for numbers in holders:
        if len(numbers) < _FEW:
            for index, number in numbers.items():
                found[domains.codes[index]] += number
        else:
            codes = domains.codes[np.fromiter(numbers, np.intp, len(numbers))]
            np.add.at(found, codes, np.fromiter(numbers.values(), np.int64, len(numbers)))
    return found[:-1]


def in_domains(domains: Domains, wanted: Mask, at: At = ALL) -> Mask:
    """Which of the servers are in one of the wanted domains."""
    known = np.zeros(len(wanted) + 1, np.bool_)  # the last one is for servers without the label
    known[:-1] = wanted
    mask: Mask = known[domains.codes[at]]
    return mask


def even(counts: Amounts, among: Mask, max_skew: int) -> Mask:
    """The domains that may take one more: they stay within `max_skew` of the emptiest.

    https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
    """
    if not among.any():
        return np.zeros(len(counts), np.bool_)
    mask: Mask = among & (counts + 1 - counts[among].min() <= max_skew)
    return mask
