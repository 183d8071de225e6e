"""The patterns of StarLink's own schemas in words: what a value must be, with an example. Pure.

The pattern stays behind the words, so that a person who knows more reads more. Kubernetes' cost limits leave no room
for a rule with a message at each of the places, so the words are put where a refusal is written or shown.
"""

from collections.abc import Mapping

_UP_TO_T = (
    r"^([0-9]{1,15}m?|[0-9]{1,15}\.[0-9]{1,3}|[0-9]{1,12}(\.[0-9]{1,3})?(k|Ki)|[0-9]{1,9}(\.[0-9]{1,3})?(M|Mi)"
    r"|[0-9]{1,6}(\.[0-9]{1,3})?(G|Gi)|[0-9]{1,3}(\.[0-9]{1,3})?(T|Ti)"
)
_QUANTITY = "must be a quantity: a number and, right behind it, a unit or none, such as 500m of cpu or 512Mi of memory"
_DURATION = "must be a duration: numbers, each with its unit ms, s, m or h, such as 30s, 1m30s or 500ms"
_NAME = "must be a name of small letters, digits and -, which begins and ends with a letter or digit, such as web-1"

OURS: dict[str, str] = {
    f"{_UP_TO_T})$": _QUANTITY,
    rf"{_UP_TO_T}|[0-9]{{1,3}}(\.[0-9]{{1,3}})?(P|Pi))$": _QUANTITY,
    r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$": _DURATION,
}
"""Those that no other system's schemas have: the API server says them in words, too."""

WORDS: dict[str, str] = {
    **OURS,
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


def in_words(pattern: str, words: Mapping[str, str] = WORDS) -> str:
    """What a value must be, with the pattern behind it."""
    known = words.get(pattern)
    return f"{known} (it should match '{pattern}')" if known else f"should match '{pattern}'"


def with_words(message: str) -> str:
    """A refusal with the patterns in it in words, also of a server that knows none."""
    for pattern in WORDS:
        plain = f"should match '{pattern}'"
        if plain in message and f"(it {plain})" not in message:
            message = message.replace(plain, in_words(pattern))
    return message
