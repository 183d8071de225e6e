"""What a person likely meant by a quantity or a duration that can't be read, such as `12 GB` or `5 minutes`. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from itertools import product

Units = Mapping[str, Sequence[tuple[int, str]]]
"""By a word in small letters: the units that it may stand for, each with how many of it, the likeliest first."""

Fits = Callable[[str], object]
"""Gives something true for a text that can be read."""

_LONGEST = 40
_MOST_TERMS = 4
"""In a text, such as the three of `1 hour, 5 minutes and 3 s`: each term may have two readings, and all are tried."""
_DIGITS = 15
_THOUSANDTH = Decimal("0.001")
_NUMBER = rf"[0-9]{{1,{_DIGITS}}}(?:\.[0-9]{{0,{_DIGITS}}})?|\.[0-9]{{1,{_DIGITS}}}"
_TERM = re.compile(rf"\s*({_NUMBER})\s*([A-Za-z]*)\s*(?:,|and\b)?")
_EXPONENT = re.compile(rf"({_NUMBER})[eE][+-]?[0-9]{{1,2}}")
_GROUPED = re.compile(r"(?<![\d.,])[1-9][0-9]{0,2}(?:[ ,_'][0-9]{3})+(?![\d.,])")
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_BLANKS = re.compile(r"(?<!\d)\s+|\s+(?!\d)")
_FRACTION = re.compile(r"[0-9]*\.[0-9]+")


def _called(units: Sequence[tuple[int, str]], short: str, full: str) -> Units:
    """By each of these words, those in full also in the plural."""
    words = [*short.split(), *(form for word in full.split() for form in (word, f"{word}s"))]
    return dict.fromkeys(words, units)


def _sizes() -> Units:
    """`12gb` may be 12Gi or 12G, `12gib` only the first."""
    units: dict[str, Sequence[tuple[int, str]]] = {}
    for decimal, binary, in_full, in_binary, by_mouth in (
        ("k", "Ki", "kilo", "kibi", ""), ("M", "Mi", "mega", "mebi", "meg"), ("G", "Gi", "giga", "gibi", "gig"),
        ("T", "Ti", "tera", "tebi", ""), ("P", "Pi", "peta", "pebi", ""),
    ):  # fmt: skip
        one = decimal.lower()
        units |= _called([(1, binary), (1, decimal)], f"{one} {one}b", f"{in_full} {in_full}byte {by_mouth}")
        units |= _called([(1, binary)], f"{one}i {one}ib", f"{in_binary} {in_binary}byte")
    return units


QUANTITIES: Units = {
    "": [(1, "")],
    **_sizes(),
    **_called([(1, "")], "b", "core cpu vcpu gpu byte unit"),
    **_called([(1, "m")], "mc", "milli millicore millicpu mcore mcpu"),
}
DURATIONS: Units = {
    "": [(1, "s")],
    **_called([(1, "ms")], "ms", "msec milli millisec millisecond"),
    **_called([(1, "s")], "s", "sec second"),
    **_called([(1, "m")], "m", "min minute"),
    **_called([(1, "h")], "h", "hr hour"),
    **_called([(24, "h")], "d", "day"),
    **_called([(168, "h")], "w", "wk week"),
}
"""A number alone counts seconds, as in the fields of Kubernetes' own kinds."""


def proposed(value: object, units: Units, fits: Fits) -> list[str]:
    """What may be written in place of `value`, the likeliest first, all of it such as `fits`; [] when that can't be
    told."""
    text = _plain(value)
    together = _BLANKS.sub("", text)
    found = [together] if fits(together) else [one for one in _read(text, units) if fits(one)]
    return [f'"{one}"' if _FRACTION.fullmatch(one) else one for one in dict.fromkeys(found)]


def write_such(value: object, units: Units, fits: Fits) -> str:
    """`write 12Gi or 12G`, "" for nothing."""
    found = proposed(value, units, fits)
    return f"write {' or '.join(found)}" if found else ""


def _plain(value: object) -> str:
    """The text of a value, with its numbers as they are written here; "" for what is no text, or too long."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = str(value).strip().removeprefix("+")
    if isinstance(value, float) and value.is_integer():
        text = text.removesuffix(".0")
    if _EXPONENT.fullmatch(text):
        text = f"{Decimal(text):f}"
        return text if len(text) <= _DIGITS else ""
    if len(text) > _LONGEST:
        return ""
    text = _GROUPED.sub(lambda found: re.sub(r"\D", "", found[0]), text)
    return _DECIMAL_COMMA.sub(".", text)


def _read(text: str, units: Units) -> list[str]:
    """The text with each word as a unit, in every way that there is; a number without a word stands alone."""
    terms: list[list[str]] = []
    end = 0
    while end < len(text):
        term = _TERM.match(text, end) if len(terms) < _MOST_TERMS else None
        if term is None or (not term[2] and term[0] != text):
            return []
        terms.append([f"{_number(Decimal(term[1]) * factor)}{unit}" for factor, unit in units.get(term[2].lower(), ())])
        end = term.end()
    return ["".join(way) for way in product(*terms)]


def _number(amount: Decimal) -> str:
    """With at most three decimals, rounded up, and none that say nothing."""
    text = f"{amount.quantize(_THOUSANDTH, ROUND_CEILING):f}"
    return text.rstrip("0").rstrip(".")
