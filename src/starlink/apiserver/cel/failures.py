"""What may be told of an expression that fails. Pure.

CEL tells of a value what is wrong with it, and often which it is; it may be stored, and secret. So what it says is told
where it is known to hold no value, in the real server's words, and a key or an index where the expression names it.
"""

import re

_CODE = re.compile(r"^[A-Z_]+: ")
_CODE_AFTER = re.compile(r"\s*\[[A-Z_]+\]$")


def _parsing(what: str) -> re.Pattern[str]:
    return re.compile(rf"{what} (?:\".*\" )?parse error during conversion from string: .*", re.S)


_WORDS = (
    (re.compile(r"divide by zero"), "division by zero"),
    (re.compile(r"Iteration budget exceeded"), "operation cancelled: actual cost limit exceeded"),
    (re.compile(r"invalid regular expression.*", re.S), "invalid regular expression"),
    (re.compile(r"error in regular expression.*", re.S), "error in regular expression"),
    (_parsing("IP Address"), "IP Address parse error during conversion from string"),
    (_parsing("network address"), "network address parse error during conversion from string"),
    (_parsing("URL"), "URL parse error during conversion from string"),
    (re.compile(r'IP address ".*" with zone value is not allowed', re.S), "IP address with zone value is not allowed"),
    (re.compile(r'IPv4-mapped IPv6 address ".*" is not allowed', re.S), "IPv4-mapped IPv6 address is not allowed"),
)
_ABOUT_TYPES = re.compile(r"No matching overloads found : (.*)", re.S)
_ABOUT_PLACES = (
    (re.compile(r'Key not found in map : "(.*)"', re.S), "no such key"),
    (re.compile(r"Key not found in map : (.*)", re.S), "no such key"),
    (re.compile(r'No value with name "(?:\w+\.)*(\w+)" found in Activation'), "no such key"),
    (re.compile(r"Index error: index=(-?\d+) size=\d+"), "index out of bounds"),
)
_WITHOUT_VALUES = re.compile(
    "|".join(
        (
            r"modulus by zero",
            r"(?:unsigned )?integer overflow",
            r"\w+ out of \w+ range",
            r"(?:timestamp|duration|int64 to int32) overflow",
            r"cannot convert \w+ to \w+",
            r"Type conversion error from '\w+' to '\w+'",
            r"String to \w+ conversion failed",
            r"<string>\.\w+\([<>\w, ]*\): [<>\w .()]+",
            r"decimal clause can only be used on numbers, was given \w+",
            r"Applying SELECT to non-message type",
            r"Invalid timezone",
            r"duplicate key in map",
            r"optional\.none\(\) dereference",
            r"no such overload: (?:this function|the items|\w+ takes)[\w\s(),.<>'-]*",
            r"\w+ called on empty list",
            r"quantities must match the regular expression '.*'",
            r"unable to parse quantity's suffix",
            r"cannot convert value to integer",
            r"(?:path|resource) must not be empty",
            r"Invalid service account (?:name|namespace)",
            r"authorization can't be checked here",
        )
    )
)
_FAILED = "evaluation failed"


def told(error: str, expression: str) -> str:
    """What may be told of an error of evaluating an expression with that text."""
    said = bare(error)
    if match := _ABOUT_TYPES.fullmatch(said):
        return f"no such overload: {match[1]}"
    for pattern, words in _ABOUT_PLACES:
        if match := pattern.fullmatch(said):
            return f"{words}: {match[1]}" if _names(expression, match[1]) else words
    for pattern, words in _WORDS:
        if pattern.fullmatch(said):
            return words
    return said if _WITHOUT_VALUES.fullmatch(said) else _FAILED


def bare(error: str) -> str:
    """An error without CEL's codes around it."""
    return _CODE_AFTER.sub("", _CODE.sub("", error))


def _names(expression: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", expression) is not None
