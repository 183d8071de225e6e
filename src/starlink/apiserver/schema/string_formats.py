"""The formats of strings that the schemas of CRDs may ask for. Pure.

https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apiserver/validation/formats.go names them, and
https://github.com/kubernetes/kube-openapi/tree/master/pkg/validation/strfmt says what fits. Any other is ignored.
"""

import binascii
import datetime
import ipaddress
import re
from collections.abc import Callable
from typing import Any

from starlink.apiserver.schema.urls import parse_url

_HEX = "[0-9a-fA-F]"
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_TERM = r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)"
_DURATION = re.compile(rf"[-+]?(0|({_TERM})+)", re.ASCII)
_TERMS = re.compile(_TERM, re.ASCII)
_SPOKEN = re.compile(r"(\d+)\s*([A-Za-zµ]+)", re.ASCII)
_SPOKEN_UNITS = (
    (("ns",), "nano", 1e-9), (("us", "µs"), "micro", 1e-6), (("ms",), "milli", 1e-3), (("s",), "sec", 1.0),
    (("m",), "min", 60.0), (("h", "hr"), "hour", 3600.0), (("d",), "day", 86400.0), (("w", "wk"), "week", 604800.0),
)  # fmt: skip
_LONGEST_DURATION = 256
_MOST_SECONDS = (2**63 - 1) / 1e9
_WORD = r"[^\W_]"


def parse_duration(text: str) -> datetime.timedelta | None:
    """`1h30m` as Go has it, or `2 days` as Scala has it; None when it is neither, longer than anybody would write it,
    or more than the 292 years that Go can count."""
    if len(text) > _LONGEST_DURATION:
        return None
    seconds = _seconds(text)
    return datetime.timedelta(seconds=seconds) if seconds is not None and abs(seconds) <= _MOST_SECONDS else None


def _seconds(text: str) -> float | None:
    if _DURATION.fullmatch(text):
        seconds = sum(float(count) * _UNITS[unit] for count, unit in _TERMS.findall(text))
        return -seconds if text.startswith("-") else seconds
    spoken = [float(count) * _spoken_unit(unit.lower()) for count, unit in _SPOKEN.findall(text)]
    return sum(spoken) if any(spoken) else None


def _spoken_unit(unit: str) -> float:
    """The seconds of a unit, 0 for an unknown one."""
    known = (size for names, start, size in _SPOKEN_UNITS if unit in names or unit.startswith(start))
    return next(known, 0.0)


def is_base64(text: str) -> bool:
    try:
        binascii.a2b_base64(text.replace("\n", "").replace("\r", ""), strict_mode=True)
    except ValueError:
        return False
    return True


def _parses(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    """Whether a parser takes the text, which raises ValueError when it does not."""

    def check(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


def _fits(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


def _uuid(third: str, fourth: str) -> Callable[[str], bool]:
    return _fits(f"{_HEX}{{8}}-?{_HEX}{{4}}-?{third}-?{fourth}-?{_HEX}{{12}}")


def _date(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text) if len(text) == 10 else _none()


def _none() -> Any:
    raise ValueError


def _cidr(text: str) -> Any:
    return ipaddress.ip_interface(text) if "/" in text else _none()


def _ipv6(text: str) -> Any:
    return _none() if "%" in text else ipaddress.IPv6Address(text)


def _is_ipv4(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 4 and all(
        len(part) <= 3 and part.isascii() and part.isdigit() and int(part) < 256 for part in parts
    )


_HOSTNAME = _fits(
    rf"{_WORD}(-?{_WORD}{{0,62}})?|({_WORD}((?:{_WORD}|-){{0,61}}{_WORD})?\.)+[^\W\d_]{{2,63}}",
)


def _is_hostname(text: str) -> bool:
    return len(text) <= 255 and all(len(part) <= 63 for part in text.split(".")) and _HOSTNAME(text)


_ANY4 = f"{_HEX}{{4}}"
_TIME = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?([zZ]|[+-]\d{2}:\d{2})"

CHECKS: dict[str, Callable[[str], bool]] = {
    "byte": is_base64,
    "password": lambda _text: True,
    "date": _parses(_date),
    "datetime": _fits(rf"\d{{4}}-\d{{2}}-\d{{2}}[tT]{_TIME}"),
    "duration": lambda text: parse_duration(text) is not None,
    "uri": _parses(parse_url),
    "email": _fits(r"([^<>@]*<[^\s@<>]+@[^\s@<>]+>|[^\s@<>]+@[^\s@<>]+)"),
    "hostname": _is_hostname,
    "ipv4": _is_ipv4,
    "ipv6": _parses(_ipv6),
    "cidr": _parses(_cidr),
    "mac": _fits(rf"{_HEX}{{2}}((:{_HEX}{{2}}){{5}}|(-{_HEX}{{2}}){{5}}|(:{_HEX}{{2}}){{7}}|(-{_HEX}{{2}}){{7}})"
                 rf"|{_ANY4}(\.{_ANY4}){{2}}|{_ANY4}(\.{_ANY4}){{3}}"),
    "uuid": _uuid(_ANY4, _ANY4),
    "uuid3": _uuid(f"3{_HEX}{{3}}", _ANY4),
    "uuid4": _uuid(f"4{_HEX}{{3}}", f"[89abAB]{_HEX}{{3}}"),
    "uuid5": _uuid(f"5{_HEX}{{3}}", f"[89abAB]{_HEX}{{3}}"),
    "bsonobjectid": _fits(f"{_HEX}{{24}}"),
    "ssn": _fits(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "hexcolor": _fits(f"#?({_HEX}{{3}}|{_HEX}{{6}})"),
}  # fmt: skip
"""Whether a string fits, by the name of the format; `date-time` is the validator's own."""
