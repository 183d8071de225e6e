"""Whether JSON says a value as Go writes it, which is how the real server's `test` of a JSON patch compares. Pure.

Space between values and the order of members say nothing. Text and numbers do: 1.0 is not 1, nor `<` what Go writes, as
\\u003c. https://github.com/evanphx/json-patch/blob/v4.12.0/patch.go (lazyNode.equal)
"""

import json
import re
from decimal import Decimal
from typing import Any

import msgspec

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_entries = msgspec.json.Decoder(list[msgspec.Raw])
_EXPONENT = re.compile(r"e-0(\d)$")
_ESCAPED = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def says(text: bytes, value: Any) -> bool:
    """Whether the JSON is the value, in Go's words. It goes no deeper than the value."""
    if isinstance(value, dict):
        if not text.startswith(b"{"):
            return False
        members = _members.decode(text)
        return members.keys() == value.keys() and all(says(bytes(members[key]), part) for key, part in value.items())
    if isinstance(value, list):
        if not text.startswith(b"["):
            return False
        entries = list(map(bytes, _entries.decode(text)))
        return len(entries) == len(value) and all(map(says, entries, value))
    return text == written(value).encode(errors="surrogatepass")


def written(value: Any) -> str:
    """Text, a number, true, false or null as Go writes it."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).translate(_ESCAPED)
    if isinstance(value, float):
        return _number(value)
    return json.dumps(value)


def _number(value: float) -> str:
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        text = format(Decimal(repr(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return _EXPONENT.sub(r"e-\1", repr(value))
