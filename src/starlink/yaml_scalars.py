"""What a plain scalar of YAML means to kubectl and the API server: YAML 1.1 as Go's yaml.v2 reads it without a type to
aim at (https://github.com/kubernetes-sigs/yaml/blob/v1.4.0/goyaml.v2/resolve.go). Pure.
"""

import math
import re

_TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"))
_FALSE = frozenset(("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"))
_FINITE_NOT = {f"{sign}.{name}" for sign in ("", "+", "-") for name in ("inf", "Inf", "INF")} | {".nan", ".NaN", ".NAN"}
_WORDS = {
    **dict.fromkeys(_TRUE | _FALSE, "bool"),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), "null"),
    **dict.fromkeys(_FINITE_NOT, "float"),
    "<<": "merge",
}
_NUMBERS_START = frozenset("+-.0123456789")
_INT = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+|0[0-7]*|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_FRACTION = re.compile(r"\.[0-9](?:_?[0-9])*(?:[eE][-+]?[0-9](?:_?[0-9])*)?")
_SIXTIES = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_ODD = re.compile(r"[-+]?0[0-9_xXbBoO]|.*_")
_BASES = {"0x": 16, "0b": 2, "0o": 8}
_MOST_DIGITS = 64
_LEAST_INT, _MOST_INT = -(2**63), 2**64 - 1


def kind_of(text: str) -> str:
    """`bool`, `int`, `float`, `null`, `merge` or `str`."""
    found = _WORDS.get(text)
    if found is not None:
        return found
    if text[0] not in _NUMBERS_START:
        return "str"
    if text[0] == ".":
        return "float" if _FRACTION.fullmatch(text) else "str"
    plain = text.replace("_", "")
    return "int" if _INT.fullmatch(plain) else "float" if _FLOAT.fullmatch(plain) else "str"


def truth(text: str) -> bool:
    """Raises ValueError."""
    if text not in _TRUE | _FALSE:
        raise ValueError("it is tagged as a truth value, and is neither true nor false")
    return text in _TRUE


def integer(text: str) -> int:
    """Raises ValueError, also for what needs more than 64 bits, of which kubectl makes something else."""
    plain = text.replace("_", "")
    if not _INT.fullmatch(plain):
        raise ValueError("it is tagged as a whole number, and is none")
    digits = plain.lstrip("+-").lower()
    base = _BASES.get(digits[:2], 8 if digits.startswith("0") else 10)
    digits = (digits[2:] if digits[:2] in _BASES else digits).lstrip("0")
    number = int(digits or "0", base) if len(digits) <= _MOST_DIGITS else math.inf
    number = -number if plain.startswith("-") else number
    if not _LEAST_INT <= number <= _MOST_INT:
        raise ValueError("the number has more than 64 bits; write a smaller one, or text in quotes")
    return int(number)


def number(text: str) -> int | float:
    """A number with a fraction or an exponent; a whole one becomes an integer, as in the JSON that kubectl makes of it.
    Raises ValueError."""
    if text in _FINITE_NOT:
        raise ValueError("infinity and NaN are no numbers that JSON has; write text in quotes")
    plain = text.replace("_", "")
    if not _FLOAT.fullmatch(plain):
        raise ValueError("it is tagged as a number, and is none")
    found = float(plain)
    if not math.isfinite(found):
        raise ValueError("the number is too large; write a smaller one, or text in quotes")
    return int(found) if found.is_integer() and abs(found) <= 2**53 else found


def surprise(text: str) -> str:
    """What a person may not expect of a plain scalar, and what to write; "" for one that everybody reads alike."""
    kind, quoted = kind_of(text), f'"{text}"'
    if kind == "bool" and text.lower() not in ("true", "false"):
        value = "true" if truth(text) else "false"
        return f"{text} is read as {value}, as kubectl does; write {quoted} for the text, or {value}"
    if kind in ("int", "float") and _ODD.match(text):
        value = str(integer(text) if kind == "int" else number(text))
        return f"{text} is read as the number {value}, as kubectl does; write {quoted} for the text, or {value}"
    if kind == "str" and _SIXTIES.fullmatch(text):
        return (
            f"{text} is text here and in kubectl, but a number of base 60 to other readers of YAML 1.1; write {quoted}"
        )
    return ""
