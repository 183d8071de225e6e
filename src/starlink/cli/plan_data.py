"""A plan as data, for `starlink plan -o json`: the same values that the text is made of. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from starlink.api.refusal import Refusal
from starlink.api.task import Task
from starlink.cli.changes import changes
from starlink.cli.deleting import leaving
from starlink.cli.intended import Intended
from starlink.cli.planned import plan_hash
from starlink.planning.reasons import Unplaced
from starlink.planning.telling import in_words

if TYPE_CHECKING:
    from starlink.engine.foresight.headroom import Estimate
    from starlink.engine.foresight.preview import Preview
    from starlink.engine.foresight.what_if import WhatIf

Obj = dict[str, Any]


def preview_data(preview: Preview) -> Obj:
    """What applying a task would do."""
    return {
        **_data(preview),
        "removed": {name: count for name, count in preview.removed if count},
        "fallsShort": preview.falls_short,
    }


def what_if_data(found: WhatIf) -> Obj:
    """What servers that are added would change."""
    data: Obj = _data(found)
    return data


def estimates_data(estimates: Sequence[Estimate], lacking: str) -> Obj:
    """What the pools' headroom says, and what can't be read."""
    bounded = [dataclasses.replace(one, together=min(one.together, one.wanted)) for one in estimates]
    found = [{**_data(one), "fits": one.fits, "fallsShort": one.short} for one in bounded]
    return {"estimates": found, "lacking": lacking}


def objects_data(intended: Sequence[Intended], *, is_valid: bool) -> Obj:
    """What changes of each object, and the hash by which exactly that is applied: null where what is there could not be
    read, or an object can't be used."""
    has_hash = is_valid and all(one.is_seen for one in intended)
    hash_ = plan_hash([(one.placed, one.before) for one in intended]) if has_hash else None
    return {"changes": [_changes(one) for one in intended], "hash": hash_}


def _changes(one: Intended) -> Obj:
    """`isNew` is null where that can't be seen, `fields` also where the object is new."""
    kind, key = one.placed.kind, one.placed.key
    data: Obj = {"apiVersion": kind.api_version, "kind": kind.kind, **_data(key), "isNew": None, "fields": None}
    if not one.is_seen:
        return data
    if one.before is None:
        return {**data, "isNew": True}
    fields = [{"path": change.path, "change": change.words} for change in changes(one.before, one.after)]
    return {**data, "isNew": False, "fields": fields, "leaving": leaving(kind, one.before)}


def _data(value: Any) -> Any:
    """Any of the engine's values: a task by its name and what ranks it, of a refusal the causes that there are, and
    what has no place with its sentence too."""
    if isinstance(value, Task):
        placement = value.spec.placement
        return {**_data(value.key), "priority": placement.priority, "gang": placement.gang}
    if isinstance(value, Refusal):
        value = dataclasses.replace(value, causes=tuple(cause for cause in value.causes if cause.servers))
    if dataclasses.is_dataclass(value):
        data = {_camel(field.name): _data(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {**data, "message": in_words(value)} if isinstance(value, Unplaced) else data
    if isinstance(value, list | tuple):
        return [_data(one) for one in value]
    return msgspec.to_builtins(value)


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)
