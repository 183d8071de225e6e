"""What applying would change of an object, field by field. Pure.

A plan is read in logs and approvals, so it shows no value that may be a secret, only that it changes: of a Secret all
contents, of environment variables the values, of URLs user, password and query, and what a field's name calls one.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlink.cli.tables import one_line

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""What kubectl and `starlink apply` note of the last apply: it repeats what else is told."""

Obj = Mapping[str, Any]
Steps = tuple[str, ...]

_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")
_LIST_KEYS = ("name", "architecture")
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_SECRET_NAME = re.compile(r"pass(word|wd|phrase)|secret|token|credential|api-?key|private-?key", re.IGNORECASE)
_URL = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<user>[^/@\s]*@)?(?P<rest>[^\s?#]*)(?P<query>\?\S*)?")
_HIDDEN = "…"
_LONGEST = 60


class _Absent:
    """In place of a value that is not there."""


_ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Change:
    """A field, and how it changes in words: `1 → 2`."""

    path: str
    words: str

    def __str__(self) -> str:
        return f"{self.path}: {self.words}"


def changes(before: Obj, after: Obj) -> list[Change]:
    """The fields that differ, but for what only the server and the controllers write."""
    return list(_between(_content(before), _content(after), (), _is_secret(after)))


def _is_secret(obj: Obj) -> bool:
    return (obj.get("apiVersion"), obj.get("kind")) == ("v1", "Secret")


def _content(obj: Obj) -> Obj:
    metadata = {key: value for key in _METADATA if (value := (obj.get("metadata") or {}).get(key))}
    noted = metadata.get("annotations") or {}
    shown = {key: value for key, value in noted.items() if key != LAST_APPLIED}
    metadata = {**metadata, "annotations": shown} if noted else metadata
    rest = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata", "status")}
    return {"metadata": metadata, **rest}


def _between(old: Any, new: Any, steps: Steps, secret: bool) -> Iterator[Change]:
    if old == new and type(old) is type(new):
        return
    before, after = _parts(old, new), _parts(new, old)
    if before is None or after is None:
        yield Change(_path(steps), _in_words(old, new, hidden=_hides(steps, secret)))
        return
    for step in dict.fromkeys([*before, *after]):
        yield from _between(before.get(step, _ABSENT), after.get(step, _ABSENT), (*steps, step), secret)
    if isinstance(old, list) and [one for one in before if one in after] != [one for one in after if one in before]:
        yield Change(_path(steps), "the order changes")


def _parts(value: Any, other: Any) -> dict[str, Any] | None:
    """The parts of a list or an object, each by the last step of its path. None for a value that is shown whole."""
    if isinstance(value, _Absent):
        return {} if isinstance(other, dict | list) and other else None
    if not isinstance(other, type(value)) and not (isinstance(other, _Absent) and value):
        return None
    if isinstance(value, dict):
        return {f".{key}" if _PLAIN.fullmatch(key) else f"[{key}]": part for key, part in value.items()}
    if isinstance(value, list):
        key = _list_key(value, other if isinstance(other, list) else [])
        named = [f"[{part[key]}]" if key else f"[{index}]" for index, part in enumerate(value)]
        return dict(zip(named, value, strict=True))
    return None


def _list_key(value: Sequence[Any], other: Sequence[Any]) -> str:
    """The field by which the items of both lists are told apart, "" for none."""
    for key in _LIST_KEYS:
        names = [[one.get(key) if isinstance(one, dict) else None for one in items] for items in (value, other)]
        if all(isinstance(name, str) for name in (*names[0], *names[1])) and all(
            len({*some}) == len(some) for some in names
        ):
            return key
    return ""


def _path(steps: Steps) -> str:
    return one_line("".join(steps).removeprefix("."))


def _hides(steps: Steps, secret: bool) -> bool:
    if secret and (steps[0] in (".data", ".stringData") or steps[:2] == (".metadata", ".annotations")):
        return True
    if ".env" in steps[:-1] and steps[-1] != ".name":
        return True
    return any(_SECRET_NAME.search(step) for step in steps[1:])


def _in_words(old: Any, new: Any, *, hidden: bool) -> str:
    before, after = _told(old), _told(new)
    if hidden or before == after:
        what = "is new" if not before else "is removed" if not after else "changes"
        return f"{what} (its value is not shown)"
    start = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
    return f"{_cut(before, start) or '(none)'} → {_cut(after, start) or '(none)'}"


def _told(value: Any) -> str:
    """A value in words, "" where there is none."""
    if isinstance(value, _Absent):
        return ""
    text = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    return one_line(_URL.sub(_without_secrets, text))


def _without_secrets(url: re.Match[str]) -> str:
    user, query = url["user"] and f"{_HIDDEN}@", url["query"] and f"?{_HIDDEN}"
    closing = '"' if url["query"] and url["query"].endswith('"') else ""
    return f"{url['scheme']}{user or ''}{url['rest']}{query or ''}{closing}"


def _cut(text: str, start: int) -> str:
    """A piece of a long text, with what differs from `start` on."""
    if len(text) <= _LONGEST:
        return text
    first = max(min(start - 10, len(text) - _LONGEST), 0)
    piece = text[first : first + _LONGEST]
    return f"{'…' if first else ''}{piece}{'…' if first + _LONGEST < len(text) else ''}"
