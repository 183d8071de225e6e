"""Requests about one object after the other. Pure: a number gives a scene, and the same one always."""

import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.differential.kinds import NAMESPACE, Kind, kinds
from tests.differential.odd import METADATA, VALUES, at, json_text, odd, paths, place, said_twice, with_value, without
from tests.differential.queries import DELETE, DELETE_BODIES, LIST, WRITE, dry, options
from tests.differential.wire import VERSION, Ask

Obj = dict[str, Any]

LENGTH = 12
"""Requests of a scene."""
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"

_MEDIA = (
    "application/json",
    "",
    "text/plain",
    "application/yaml",
    "application/x",
    "application/json; charset=utf-8",
    MERGE,
)
_ACCEPT = ("*/*", "", "text/plain", TABLE, PARTIAL, PARTIAL_LIST, "application/json;q=0.5", "application/yaml;q=0.1,*/*", "application/json;as=X;v=v1;g=meta.k8s.io")  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """An object that both servers have, and requests about it, in order."""

    number: str
    kind: Kind
    name: str
    base: Obj
    asks: tuple[Ask, ...]

    @property
    def path(self) -> str:
        return f"{self.kind.collection}/{self.kind.named(self.name)}"

    @property
    def creation(self) -> Ask:
        return Ask("POST", self.kind.collection, json_text(self.base))


def scene(seed: int, number: int) -> Scene:
    """The scene of a number. The kinds take turns, each as often as its weight says."""
    rng = random.Random(f"{seed}/{number}")
    turns = [kind for kind in kinds() for _ in range(kind.weight)]
    kind = turns[number % len(turns)]
    name = f"d{number}"
    base = kind.made(name)
    if "finalizers" in base["metadata"] and rng.random() < 0.7:
        del base["metadata"]["finalizers"]
    asks = tuple(_safe(ask, kind) for _ in range(LENGTH) for ask in _asks(kind, name, base, rng))
    return Scene(f"{seed}/{number}", kind, name, base, asks)


_HELD = (
    "ownerReferences",
    "foregroundDeletion",
    '"orphan"',
    "Foreground",
    "Orphan",
    "orphanDependents",
    "deletionTimestamp",
)
"""Upon which controllers act a moment later, each server's in its time."""


def _safe(ask: Ask, kind: Kind) -> Ask:
    """The same without an effect, where controllers would have others. A DELETE says so in its body, where it has one:
    the real server does not look at the query then."""
    if kind.dry and ask.method == "DELETE" and ask.body.startswith("{") and "dryRun" not in ask.body:
        return replace(ask, body=ask.body.replace("{", '{"dryRun": ["All"], ', 1).replace(", }", "}"))
    said = ask.body + str(ask.query)
    is_risky = kind.dry or any(word in said for word in _HELD)
    is_risky = (
        is_risky
        or (ask.method == "DELETE" and kind.plural == "namespaces")
        or (ask.method == "DELETE" and ask.path == kind.collection)
    )
    if ask.method == "GET" or ask.is_dry or not is_risky:
        return ask
    return replace(ask, query=(*(pair for pair in ask.query if pair[0] != "dryRun"), ("dryRun", "All")))


def _asks(kind: Kind, name: str, base: Obj, rng: random.Random) -> Iterator[Ask]:
    one = f"{kind.collection}/{kind.named(name)}"
    tail = rng.choice(kind.tails) if kind.tails and rng.random() < 0.25 else ""
    makers = (_create, _read, _update, _merge, _json_patch, _strategic, _apply, _delete)
    maker = rng.choices(makers, (4, 3, 4, 4, 3, 1, 4, 2))[0]
    if tail and maker in (_create, _delete):
        maker = _update
    ask = maker(kind, one, tail, base, rng)
    yield _in_odd_form(ask, rng)


def _in_odd_form(ask: Ask, rng: random.Random) -> Ask:
    """Sometimes the body is said in another way, or the answer wanted in one."""
    media, accept, body = ask.media, ask.accept, ask.body
    if ask.body and rng.random() < 0.02:
        media = rng.choice(_MEDIA)
    if rng.random() < (0.25 if ask.method == "GET" else 0.02):
        accept = rng.choice(_ACCEPT)
    if ask.body and ask.method != "DELETE":
        turn = rng.random()
        if turn < 0.03:
            body = said_twice(body, rng)
        elif turn < 0.045:
            body = rng.choice((body[:-1], "", "x", "[]", "null", '"x"', "{}", body + body, "{", "1"))
    return Ask(ask.method, ask.path, body, ask.query, media, accept, ask.tail)


def _create(kind: Kind, one: str, _tail: str, base: Obj, rng: random.Random) -> Ask:
    obj = copy.deepcopy(base)
    if rng.random() < 0.9:
        obj["metadata"]["name"] = kind.named(one.rpartition("/")[2].partition(".")[0].removesuffix("s") + "n")
        obj = _filled_again(kind, obj) if kind.dry else obj
    obj = odd(obj, rng) if rng.random() < 0.95 else obj
    return Ask("POST", kind.collection, json_text(obj), dry(options(WRITE, rng, 0.35), rng, 1.0))


def _filled_again(kind: Kind, obj: Obj) -> Obj:
    word = obj["metadata"]["name"].partition(".")[0].removesuffix("s")
    return kind.made(word)


def _read(kind: Kind, one: str, tail: str, _base: Obj, rng: random.Random) -> Ask:
    if tail or rng.random() < 0.3:
        missing = rng.random() < 0.2
        return Ask("GET", f"{one}x" if missing else one, query=tuple(options(LIST, rng, 0.4)), tail=tail)
    path = kind.collection
    query = dict(options(LIST, rng, 0.6))
    if kind.shared:
        query.setdefault("labelSelector", "a=b")
        query.pop("limit", None)  # where each server's own objects count
    if kind.cluster and (kind.dry or "labelSelector" not in query):
        query["fieldSelector"] = f"metadata.name={one.rpartition('/')[2]}"
    return Ask("GET", path, query=tuple(query.items()))


def _update(kind: Kind, one: str, tail: str, base: Obj, rng: random.Random) -> Ask:
    obj = _of_tail(tail, base)
    obj = odd(obj, rng) if rng.random() < 0.95 else obj
    if isinstance(obj.get("metadata"), dict) and rng.random() < 0.3:
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": VERSION}}
    return Ask("PUT", one, json_text(obj), dry(options(WRITE, rng, 0.35), rng, 0.75), tail=tail)


def _of_tail(tail: str, base: Obj) -> Obj:
    if tail != "/scale":
        return copy.deepcopy(base)
    meta = {"name": base["metadata"]["name"], "namespace": NAMESPACE}
    return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": meta, "spec": {"replicas": 3}}


def _part(obj: Obj, path: tuple[Any, ...], value: Any) -> Any:
    """A merge patch that puts a value at a path; lists on the way are whole."""
    for depth, step in enumerate(path):
        if isinstance(step, int):
            return _part(obj, path[:depth], with_value(at(obj, path[:depth]), path[depth:], value))
    for step in reversed(path):
        value = {step: value}
    return value


def _patch_of(base: Obj, rng: random.Random) -> Any:
    """A merge patch of something odd."""
    if rng.random() < 0.25:
        field = rng.choice(sorted(METADATA))
        return {"metadata": {field: copy.deepcopy(rng.choice(METADATA[field]))}}
    path = place(base, rng)
    if rng.random() < 0.15 and isinstance(path[-1], str):
        path = (*path[:-1], "unknown")
    return _part(base, path, copy.deepcopy(rng.choice(VALUES)))


def _merge(kind: Kind, one: str, tail: str, base: Obj, rng: random.Random) -> Ask:
    patch = _patch_of(_of_tail(tail, base), rng)
    return Ask("PATCH", one, json_text(patch), dry(options(WRITE, rng, 0.35), rng, 0.75), MERGE, tail=tail)


def _strategic(kind: Kind, one: str, tail: str, base: Obj, rng: random.Random) -> Ask:
    patch = _patch_of(_of_tail(tail, base), rng)
    if isinstance(patch, dict) and rng.random() < 0.3:
        directive = rng.choice(({"$patch": "replace"}, {"$patch": "delete"}, {"$retainKeys": ["a"]}, {"$setElementOrder/x": ["a"]}, {"$deleteFromPrimitiveList/finalizers": ["example.com/held"]}))  # fmt: skip
        key = rng.choice(sorted(patch))
        patch = {**patch, key: {**patch[key], **directive}} if isinstance(patch[key], dict) else {**patch, **directive}
    return Ask("PATCH", one, json_text(patch), dry(options(WRITE, rng, 0.35), rng, 0.75), STRATEGIC, tail=tail)


def _json_patch(kind: Kind, one: str, tail: str, base: Obj, rng: random.Random) -> Ask:
    target = _of_tail(tail, base)
    operations = [_operation(target, rng) for _ in range(rng.choice((1, 1, 2)))]
    patch: Any = operations if rng.random() < 0.97 else rng.choice((operations[0], [], [None], [[]], "x", {}))
    return Ask("PATCH", one, json_text(patch), dry(options(WRITE, rng, 0.35), rng, 0.75), JSON_PATCH, tail=tail)


def _operation(base: Obj, rng: random.Random) -> Obj:
    path = _pointer(place(base, rng), rng)
    op = rng.choice(("add", "replace", "replace", "remove", "test", "copy", "move"))
    made: Obj = {"op": op, "path": path}
    if op in ("copy", "move"):
        made["from"] = _pointer(place(base, rng), rng)
    elif op != "remove":
        made["value"] = copy.deepcopy(rng.choice(VALUES) if rng.random() < 0.8 else at(base, place(base, rng)))
    if rng.random() < 0.06:
        made[rng.choice(sorted(made))] = rng.choice((None, 1, "x", "", "/"))
    if rng.random() < 0.04:
        del made[rng.choice(sorted(made))]
    if rng.random() < 0.03:
        made["unknown"] = 1
    return made


def _pointer(path: tuple[Any, ...], rng: random.Random) -> str:
    steps = [str(step).replace("~", "~0").replace("/", "~1") for step in path]
    if rng.random() < 0.2:
        steps[-1] = rng.choice(("-", "unknown", "0", "99", "-1", "", "01"))
    elif rng.random() < 0.05:
        steps.append(rng.choice(("-", "unknown", "0")))
    return "".join(f"/{step}" for step in steps)


def _some_of(obj: Obj, rng: random.Random) -> Obj:
    """The object without some of its content, as who applies owns a part of it."""
    names = ("metadata", "apiVersion", "kind")
    content = [path for path in paths(obj) if len(path) == 2 and path[0] not in names and isinstance(path[1], str)]
    for path in content:
        obj = without(obj, path) if rng.random() < 0.5 else obj
    return obj


def _apply(kind: Kind, one: str, tail: str, base: Obj, rng: random.Random) -> Ask:
    obj = _some_of(_of_tail(tail, base), rng)
    obj = odd(obj, rng) if rng.random() < 0.85 else obj
    path = f"{one}n" if rng.random() < 0.1 and not tail and not kind.dry else one
    if path != one and isinstance(obj.get("metadata"), dict):
        obj = {**obj, "metadata": {**obj["metadata"], "name": path.rpartition("/")[2]}}
    query = options({**WRITE, "fieldManager": ("m", "n", "", "a" * 129)}, rng, 0.3)
    if not any(name == "fieldManager" for name, _ in query) and rng.random() < 0.97:
        query.append(("fieldManager", rng.choice(("m", "n"))))
    if not any(name == "force" for name, _ in query) and rng.random() < 0.5:
        query.append(("force", "true"))
    chance = 1.0 if path != one else 0.7
    return Ask("PATCH", path, json_text(obj), dry(query, rng, chance), APPLY, tail=tail)


def _delete(kind: Kind, one: str, _tail: str, _base: Obj, rng: random.Random) -> Ask:
    query = options(DELETE, rng, 0.35)
    said = rng.choice(DELETE_BODIES) if rng.random() < 0.6 else None
    if isinstance(said, dict) and rng.random() < 0.8:
        said, query = {"dryRun": ["All"], **said}, []  # the real server looks at one of body and query
    body = "" if said is None else json_text(said)
    if rng.random() < 0.15:
        selected = {"labelSelector": rng.choice(("a=none", "a in (", "a=b"))}
        return Ask("DELETE", kind.collection, body, dry([*query, *selected.items()], rng, 1.0))
    path = f"{one}x" if rng.random() < 0.15 else one
    return Ask("DELETE", path, body, dry(query, rng, 0.8))
