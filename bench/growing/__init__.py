"""Requests that grow: a case a way in which what a client sends can be large. Pure: a size gives a request.

`bench.growth` prints what they cost, and `tests/attack/test_growth.py` finds those that cost more than n·log n.
"""

from bench.growing import applies, bulks, creations, encodings, patches, reads, reviews, schemas, updates, values
from bench.growing.case import Case
from bench.growing.kind import setup

__all__ = ["CASES", "GROUPS", "Case", "setup"]

_MODULES = (creations, encodings, updates, patches, applies, values, reads, reviews, schemas, bulks)
GROUPS: dict[str, tuple[Case, ...]] = {module.__name__.rpartition(".")[2]: module.CASES for module in _MODULES}
CASES: tuple[Case, ...] = tuple(case for cases in GROUPS.values() for case in cases)
