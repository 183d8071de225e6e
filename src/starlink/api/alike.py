"""What a person likely meant by a word that is not known, among those that are. Pure."""

import difflib
import re
from collections.abc import Iterable

ALIKE = 0.6
"""How much of two words has to agree, from 0 to 1."""
_MOST = 3
_BETWEEN = re.compile(r"[-_\s]")


def alike(word: str, known: Iterable[str], least: float = ALIKE) -> list[str]:
    """The known words that are most like this one, the nearest first; those that begin with it are."""
    known = sorted({*known})
    near = difflib.get_close_matches(word, known, _MOST, least)
    begun = [one for one in known if one.startswith(word)] if word else []
    return list(dict.fromkeys((*near, *begun)))[:_MOST]


def folded(word: str) -> str:
    """A word as it is compared where capitals, hyphens and underscores do not count."""
    return _BETWEEN.sub("", word).lower()


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean web or web2?`; "" when nothing is like it."""
    found = alike(word, known)
    return f"did you mean {' or '.join(found)}?" if found else ""
