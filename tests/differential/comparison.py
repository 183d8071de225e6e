"""Two answers to the same request, and in what they differ. Pure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.differential.wire import Answer, Ask

Obj = dict[str, Any]

MOST = 6
"""So many places in which two objects differ are told."""
_ABSENT = "<absent>"
_UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")
_TIMES = ("creationTimestamp", "deletionTimestamp")
_DECODER = re.compile(r"^unable to decode .*|^(json|yaml|invalid character|unexpected).*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is said otherwise: `aspect` is code, media, warning, reason, cause, words (of the cause of `place`,
    or of the Status), or body, of which `place` is the path. `refused`: both answers are refusals."""

    aspect: str
    place: str
    here: Any
    there: Any
    refused: bool = False

    def __str__(self) -> str:
        return f"{self.aspect} {self.place}: {_short(self.here)} here, {_short(self.there)} there"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 400 else f"{text[:400]}…"


def compare(ask: Ask, here: Answer, there: Answer) -> tuple[Difference, ...]:
    """In what two answers differ, once what each server makes for itself is set aside."""
    refused = here.code >= 400 and there.code >= 400
    return tuple(replace(one, refused=refused) for one in _differences(ask, normal(here), normal(there)))


# What each server makes for itself


def normal(answer: Answer) -> Answer:
    """The answer with names in place of UIDs, resourceVersions, times and tokens that the server makes."""
    body = _own_names(answer, _without_times(answer.body))
    return replace(answer, body=body, warnings=tuple(sorted(answer.warnings)))


def _own_names(answer: Answer, value: Any) -> Any:
    before, after = answer.versions or ("", "")

    def named(text: str) -> str:
        if text in answer.uids:
            return "<uid>"
        return _UUID.sub(lambda found: "<uid>" if found[0] in answer.uids else found[0], text)

    def version(text: Any) -> Any:
        return text if text in ("", None) else "<version as before>" if text == before else "<another version>"

    def walked(part: Any, name: str, holder: str = "") -> Any:
        if isinstance(part, dict):
            return {key: walked(below, key, name) for key, below in part.items()}
        if isinstance(part, list):
            return [walked(below, name, holder) for below in part]
        if (holder, name) == ("metadata", "resourceVersion"):
            return version(part) if after or answer.code >= 400 else "<version>"
        return named(part) if isinstance(part, str) else part

    return walked(value, "")


def _without_times(body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    kind = body.get("kind")
    if kind == "Table":
        return _table(body)
    if isinstance(body.get("items"), list):
        meta = dict(body.get("metadata") or {})
        if meta.get("continue"):
            meta["continue"] = "<continue>"
        return {**body, "metadata": meta, "items": [_object(item, uid_of_item=True) for item in body["items"]]}
    return body if kind == "Status" else _object(body)


def _object(obj: Any, uid_of_item: bool = False) -> Any:
    if not isinstance(obj, dict) or not isinstance(obj.get("metadata"), dict):
        return obj
    meta = dict(obj["metadata"])
    for field in _TIMES:
        if meta.get(field):
            meta[field] = "<time>"
    if prefix := meta.get("generateName"):
        meta["name"] = _generated(meta.get("name"), prefix)
    if uid_of_item and meta.get("uid"):
        meta["uid"] = "<uid>"
    if isinstance(meta.get("managedFields"), list):
        meta["managedFields"] = sorted(({**entry, "time": "<time>"} for entry in meta["managedFields"]), key=_manager)
    timeless = {**obj, "metadata": meta}
    return _without_transitions(timeless) if obj.get("kind") == "CustomResourceDefinition" else timeless


def _without_transitions(obj: Obj) -> Obj:
    """A CRD whose conditions, which a server sets, do not say since when they hold."""
    status = obj.get("status")
    if not isinstance(status, dict) or not isinstance(status.get("conditions"), list):
        return obj
    conditions = [
        {**one, "lastTransitionTime": "<time>"} if isinstance(one, dict) else one for one in status["conditions"]
    ]
    return {**obj, "status": {**status, "conditions": conditions}}


def _generated(name: Any, prefix: str) -> Any:
    """A name that the server made: five characters at the end are its own."""
    is_made = isinstance(name, str) and name[:-5] == prefix[: 253 - 5]
    return f"{prefix}<generated>" if is_made else name


def _manager(entry: Obj) -> tuple[str, ...]:
    return tuple(str(entry.get(field, "")) for field in ("manager", "operation", "subresource", "apiVersion"))


def _table(table: Obj) -> Obj:
    """A table without the words that describe its columns, and without how long ago anything was."""
    columns = table.get("columnDefinitions") or ()
    ages = {
        index
        for index, column in enumerate(columns)
        if column.get("type") == "date" or "Seen" in column["name"] or column["name"] in ("Age", "Created At")
    }
    shown = [{key: told for key, told in column.items() if key != "description"} for column in columns]
    rows = [
        {
            **row,
            "object": _object(row.get("object"), uid_of_item=True),
            "cells": ["<age>" if index in ages else cell for index, cell in enumerate(row["cells"])],
        }
        for row in table.get("rows") or ()
    ]
    return {**table, "columnDefinitions": shown, "rows": rows}


# Differences


def _differences(ask: Ask, here: Answer, there: Answer) -> Iterator[Difference]:
    if here.code != there.code:
        yield Difference("code", "", _told(here), _told(there))
        return
    if here.media != there.media:
        yield Difference("media", "", here.media, there.media)
        return
    yield from _of_sets("warning", here.warnings, there.warnings)
    if here.code >= 400 and isinstance(here.body, dict) and isinstance(there.body, dict):
        yield from _of_refusals(here.body, there.body)
    elif here.body != there.body:
        yield from _limited(_of_values(here.body, there.body, ""))


def _told(answer: Answer) -> str:
    """A code and, where it is a refusal, its words."""
    body = answer.body
    if answer.code < 400:
        return str(answer.code)
    return (
        f"{answer.code} {body.get('reason', '')}: {body.get('message', '')}"
        if isinstance(body, dict)
        else f"{answer.code} {body}"
    )


def _of_sets(aspect: str, here: tuple[Any, ...], there: tuple[Any, ...]) -> Iterator[Difference]:
    yield from (Difference(aspect, "", one, _ABSENT) for one in here if one not in there)
    yield from (Difference(aspect, "", _ABSENT, one) for one in there if one not in here)


def _of_refusals(here: Obj, there: Obj) -> Iterator[Difference]:
    if here.get("reason") != there.get("reason"):
        yield Difference("reason", "", here.get("reason"), there.get("reason"))
    ours, theirs = _details(here), _details(there)
    causes, real = ours.pop("causes", None) or [], theirs.pop("causes", None) or []
    if causes or real:
        yield from _of_causes(causes, real)
    elif here.get("message") != there.get("message"):
        yield Difference("words", "", here.get("message"), there.get("message"))
    yield from _of_values(ours, theirs, "details")


def _details(status: Obj) -> Obj:
    return dict(status.get("details") or {})


def _of_causes(here: list[Obj], there: list[Obj]) -> Iterator[Difference]:
    """Causes are told by their reason and field; where both have as many of those, only the words can differ. The real
    server says some twice."""

    def keyed(causes: list[Obj]) -> dict[tuple[str, str], list[str]]:
        found: dict[tuple[str, str], list[str]] = {}
        for cause in causes:
            found.setdefault((cause.get("field", ""), cause.get("reason", "")), []).append(cause.get("message", ""))
        return found

    ours, theirs = keyed(here), keyed(there)
    for field, reason in sorted({*ours, *theirs}):
        mine, real = sorted({*ours.get((field, reason), [])}), sorted({*theirs.get((field, reason), [])})
        if not mine or not real or len(mine) != len(real):
            yield Difference("cause", field, [f"{reason}: {one}" for one in mine], [f"{reason}: {one}" for one in real])
        elif mine != real:
            yield from (Difference("words", field, a, b) for a, b in zip(mine, real, strict=True) if a != b)


def _of_values(here: Any, there: Any, path: str) -> Iterator[Difference]:
    if isinstance(here, dict) and isinstance(there, dict):
        for key in sorted({*here, *there}):
            yield from _of_values(here.get(key, _ABSENT), there.get(key, _ABSENT), f"{path}.{key}" if path else key)
    elif isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        for index, (a, b) in enumerate(zip(here, there, strict=True)):
            yield from _of_values(a, b, f"{path}[{index}]")
    elif here != there or type(here) is not type(there):
        yield Difference("body", path, here, there)


def _limited(found: Iterator[Difference]) -> Iterator[Difference]:
    yield from (one for one, _ in zip(found, range(MOST), strict=False))


Matcher = Callable[[Ask, Difference], bool]
