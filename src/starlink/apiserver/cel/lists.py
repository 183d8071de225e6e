"""CEL's list and regex libraries of Kubernetes: min, max, sum, isSorted, indexOf, find, findAll.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-list-library
"""

from functools import cache
from typing import Any

from cel_expr_python import cel

from starlink.apiserver.cel.opaque import BOOL, DYN, INT, LIST, STRING, STRINGS, Overload, member

_KINDS = ("INT", "UINT", "DOUBLE", "BOOL", "STRING", "BYTES", "LIST", "MAP", "DURATION", "TIMESTAMP")
_MOST = 2**63


def _group(item: Any) -> type:
    """Items of one group can be compared."""
    return float if isinstance(item, int | float) and not isinstance(item, bool) else type(item)


def _comparable(items: list[Any]) -> list[Any]:
    groups = {_group(item) for item in items}
    if len(groups) > 1 or groups & {list, dict, type(None)}:
        raise ValueError("no such overload: the items of the list can't be compared with each other")
    return items


def _given(name: str, items: list[Any]) -> list[Any]:
    """The items, checked for what can be handed back to CEL."""
    if not items:
        raise ValueError(f"{name} called on empty list")
    if _group(_comparable(items)[0]) not in (float, bool, str, bytearray):
        raise ValueError(f"no such overload: {name} takes numbers, strings, bytes and booleans")
    return items


def _sum(items: list[Any]) -> Any:
    if any(_group(item) is not float for item in items):
        raise ValueError("no such overload: sum takes numbers")
    total = sum(items)
    if isinstance(total, int) and not -_MOST <= total < _MOST:
        raise ValueError("integer overflow")
    return total


def _is_sorted(items: list[Any]) -> bool:
    return all(one <= other for one, other in zip(_comparable(items), items[1:], strict=False))


def _index(items: list[Any], wanted: Any) -> int:
    same = (index for index, item in enumerate(items) if _group(item) is _group(wanted) and item == wanted)
    return next(same, -1)


def _last_index(items: list[Any], wanted: Any) -> int:
    index = _index(items[::-1], wanted)
    return index if index < 0 else len(items) - 1 - index


def _of_each_kind(name: str, run: Any) -> tuple[Overload, ...]:
    """A parameter of any type: cel-expr-python finds no function by a dyn parameter when it runs."""
    return tuple(member(name, INT, (LIST, getattr(cel.Type, kind)), run) for kind in _KINDS)


@cache
def _extract_all() -> tuple[Any, Any]:
    """CEL's own regular expressions, RE2: they take linear time whatever the pattern."""
    config = cel.NewEnvConfigFromYaml("extensions:\n  - name: optional\n  - name: regex\n")
    env = cel.NewEnv(config=config, variables={"text": STRING, "pattern": STRING})
    return env, env.compile("regex.extractAll(text, pattern)")


def find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    """The matches from left to right, at most `limit` unless that is negative. Raises ValueError."""
    env, expression = _extract_all()
    found = expression.eval(env.Activation({"text": text, "pattern": uncaptured(pattern)}))
    if found.type() == cel.Type.ERROR:
        raise ValueError(f"error in regular expression {pattern!r}: {found.value()}")
    matches = [str(match) for match in found.plain_value()]
    return matches if limit < 0 else matches[:limit]


def uncaptured(pattern: str) -> str:
    """The pattern with groups that capture nothing: extractAll gives a group's text instead of the match's."""
    parts, index, in_class = [], 0, False
    while index < len(pattern):
        step = 2 if pattern[index] == "\\" else 1
        piece = pattern[index : index + step]
        if not in_class and piece == "(":
            piece, step = _opening(pattern, index)
        elif piece == "[" and not in_class:
            in_class = True
            if pattern[index + 1 : index + 2] == "]":
                piece, step = "[]", 2
        elif piece == "]":
            in_class = False
        parts.append(piece)
        index += step
    return "".join(parts)


def _opening(pattern: str, index: int) -> tuple[str, int]:
    """What stands for the parenthesis at `index`, and how many characters that replaces."""
    if pattern[index + 1 : index + 2] != "?":
        return "(?:", 1
    for named in ("(?P<", "(?<"):
        if pattern.startswith(named, index) and ">" in pattern[index:]:
            return "(?:", pattern.index(">", index) + 1 - index
    return "(", 1


OVERLOADS = (
    member("isSorted", BOOL, (LIST,), _is_sorted),
    member("sum", DYN, (LIST,), _sum),
    member("min", DYN, (LIST,), lambda items: min(_given("min", items))),
    member("max", DYN, (LIST,), lambda items: max(_given("max", items))),
    *_of_each_kind("indexOf", _index),
    *_of_each_kind("lastIndexOf", _last_index),
    member("find", STRING, (STRING, STRING), lambda text, pattern: next(iter(find_all(text, pattern, 1)), "")),
    member("findAll", STRINGS, (STRING, STRING), find_all),
    member("findAll", STRINGS, (STRING, STRING, INT), find_all),
)
