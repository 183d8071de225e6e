"""The patterns of StarLink's own schemas in words: what a value must be, and what was likely meant. Pure.

Kubernetes' cost limits leave no room for a rule with a message at each of the places, so the words take the pattern's
place where a refusal is written or shown.
"""

import re
from typing import NamedTuple

from starlink.api.proposals import DURATIONS, QUANTITIES, Units, write_such


class _Measure(NamedTuple):
    """What a pattern measures, the words for its form, and the units that people give it in."""

    noun: str
    form: str
    units: Units


_UP_TO_T = (
    r"^([0-9]{1,15}m?|[0-9]{1,15}\.[0-9]{1,3}|[0-9]{1,12}(\.[0-9]{1,3})?(k|Ki)|[0-9]{1,9}(\.[0-9]{1,3})?(M|Mi)"
    r"|[0-9]{1,6}(\.[0-9]{1,3})?(G|Gi)|[0-9]{1,3}(\.[0-9]{1,3})?(T|Ti)"
)
_AMOUNT = "a number with at most three decimals and, right behind it, a unit or none, such as"
_OF_RESOURCES = f"{_AMOUNT} 500m of cpu or 512Mi of memory"

MEASURES: dict[str, _Measure] = {
    f"{_UP_TO_T})$": _Measure("a quantity", f"{_OF_RESOURCES}, at most 999Ti", QUANTITIES),
    rf"{_UP_TO_T}|[0-9]{{1,3}}(\.[0-9]{{1,3}})?(P|Pi))$": _Measure(
        "a quantity", f"{_OF_RESOURCES}, at most 999Pi", QUANTITIES
    ),
    r"^([0-9]{1,15}|[0-9]{1,9}(\.[0-9]{1,3})?(k|Ki|M|Mi|G|Gi))$": _Measure(
        "a size in bytes", f"{_AMOUNT} 10Mi, at most 999999999Gi", QUANTITIES
    ),
    r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$": _Measure(
        "a duration", "numbers, each with its unit ms, s, m or h, such as 30s, 1m30s or 500ms", DURATIONS
    ),
}  # fmt: skip
"""Of quantities and durations."""

_NAME = "must be a name of small letters, digits and -, which begins and ends with a letter or digit, such as web-1"

WORDS: dict[str, str] = {
    **{pattern: f"must be {one.noun}: {one.form}" for pattern, one in MEASURES.items()},
    r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$": "must be a label's value: letters, digits, -, _, .",
    r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$": f"{_NAME}; it may have dots",
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": _NAME,
    r"^[a-z]([-a-z0-9]*[a-z0-9])?$": "must be a port's name: small letters, digits, -, such as http",
    r"^[^\x00]*$": "must not contain the character NUL",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "must be a variable's name: letters, digits, _, such as LOG_LEVEL",
    r"^(https?://.+|file:.+)$": "must be a URL that begins with http://, https:// or file:, such as file:web.zip",
    r"^[0-9a-f]{64}$": "must be 64 hexadecimal digits in small letters, as sha256sum prints them",
    r"^/[^\x00-\x20\x7f]*$": "must be a path that begins with / and has no spaces, such as /healthz",
}  # fmt: skip
"""By the pattern."""


def is_met(pattern: str, text: str) -> bool:
    """Whether a text fits; certain only of patterns that have words."""
    return re.fullmatch(pattern, text) is not None


def in_words(pattern: str, value: object) -> str:
    """What a value that does not fit must be; what was likely meant where that can be told. "" for a pattern that has
    no words."""
    measure = MEASURES.get(pattern)
    meant = write_such(value, measure.units, re.compile(pattern).fullmatch) if measure else ""
    return f"must be {measure.noun}: {meant}" if measure and meant else WORDS.get(pattern, "")
