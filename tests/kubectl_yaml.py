"""What kubectl 1.32 makes of YAML: the table that our reader is held to, and that a test holds kubectl to."""

from typing import Any

SCALARS: dict[str, Any] = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"], False),
    **{text: text for text in ["yES", "oN", "tRUE", "nULL", "nan", "=", ".", "+", "_1", "0x", "0o8", "1e", "1.2.3", "10Gi", "._5", "0b", "1:30", "22:22", "190:20:30"]},
    **{text: text for text in ("2001-12-14", "2001-12-14T21:59:43.10-05:00", "2001-12-14 21:59:43", "22:22.5")},
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("0777", "0o777", "+0777", "0O777"), 511),
    "-0777": -511, "0_7": 7, "00": 0, "0": 0, "-0": 0, "08": 8, "089": 89, "08_8": 88, "09.5": 9.5, "00.5": 0.5,
    "0x1F": 31, "0X1F": 31, "+0x1f": 31, "-0xF": -15, "0x_1": 1, "0b101": 5, "0B11": 3, "-0b11": -3, "0xdeadBEEF": 3735928559,
    "1_000": 1000, "1__0": 10, "1_": 1, "1_000.5": 1000.5, "0.5_": 0.5, ".5_5": 0.55, "1_0.5e1_0": 105000000000,
    "+1": 1, "+1.5": 1.5, "1e3": 1000, "1E3": 1000, "1.5e3": 1500, ".5": 0.5, "-.5": -0.5, "+.5": 0.5, "5.": 5,
    "1.10": 1.1, "1.0": 1, "1e-400": 0, "9007199254740993": 9007199254740993, "9223372036854775807": 9223372036854775807,
    "'y'": "y", '"on"': "on", "'0777'": "0777", "|\n  on": "on\n",
    "!!str 1": "1", "!!int '0x10'": 16, "!!float 1": 1, "!!bool 'yes'": True, "!!null ''": None,
}  # fmt: skip
"""A scalar as it is written, and what it is in JSON."""

DOCUMENTS: dict[str, Any] = {
    "{y: 1, no: 2, 1: 4, 2.5: 5, 0777: 6, 'on': 7}": {"true": 1, "false": 2, "1": 4, "2.5": 5, "511": 6, "on": 7},
    "[&b {p: 1, q: 2}, {<<: *b, q: 3}]": [{"p": 1, "q": 2}, {"p": 1, "q": 3}],
    "[&b {p: 1, q: 2}, {q: 3, <<: *b}]": [{"p": 1, "q": 2}, {"p": 1, "q": 2}],
    "[&b {p: 1}, &c {p: 2, r: 5}, {<<: [*b, *c]}]": [{"p": 1}, {"p": 2, "r": 5}, {"p": 1, "r": 5}],
    "[&b {p: 1}, {<<: *b, <<: {s: 2}}]": [{"p": 1}, {"p": 1, "s": 2}],
    "{<<: {p: 1, s: {<<: {t: 1}}}}": {"p": 1, "s": {"t": 1}},
    "{'<<': {p: 1}}": {"<<": {"p": 1}},
    "[&a [1, {x: y}], *a]": [[1, {"x": True}], [1, {"x": True}]],
}
"""Mappings and lists."""

REFUSED = (".inf", "-.Inf", ".nan", "{~: 1}", "{[a]: 1}", "{<<: 5}", "{<<: [1]}", "&a [*a]", "*nope")
"""What kubectl refuses, and so do we."""

REFUSED_BY_US = ("{a: 1, a: 2}", "{y: 1, true: 2}", "18446744073709551616", "1e400", "!!binary aGVsbG8=", "!!set {a}")
"""What kubectl takes and makes something else of: the last of two, a rounded number, a text."""
