"""The schemas of StarLink's own CRDs, known by what they say: a test has looked at them, so that no start has to.

A schema that says anything else, as in a CRD that somebody has changed, is looked at as any other.
"""

from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("shipped.txt")
"""A line has a digest and the CRD; `pytest tests/golden --rewrite` writes it anew."""


def is_shipped(digest: bytes) -> bool:
    """Whether the schema with this digest ships with StarLink: it may be written, and all its rules compile."""
    return digest in _digests()


@cache
def _digests() -> frozenset[bytes]:
    return frozenset(bytes.fromhex(line.split()[0]) for line in FILE.read_text().splitlines())
