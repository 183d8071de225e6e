"""JSON patches (https://www.rfc-editor.org/rfc/rfc6902) as the real server takes them, within its bounds. Pure.

What its library does beside the RFC: `replace`, `copy` and `test` take a member that is not there for null; a `value`
that is not given is null; `add` can't name the whole document; `move` is a removal and then an addition, also into a
part of what it moves. `test` compares values here; there it compares the text of numbers and strings, and so refuses
1.0 for 1. Where version 4.12 panics, or does nothing and says nothing, this does what 4.13 does, or refuses.

https://github.com/evanphx/json-patch/blob/v4.12.0/patch.go
https://github.com/kubernetes/apiserver/blob/release-1.32/pkg/endpoints/handlers/patch.go (applyJSPatch)

A patch of 2 KB can double a part of an object with each operation, and one that inserts before a long list moves all of
it each time. So there are budgets for what is copied, which is the real server's (JSONPatchMaxCopyBytes in
https://github.com/kubernetes/apiserver/blob/master/pkg/server/config.go), and for what is moved.
"""

from itertools import islice
from typing import Any

import msgspec

from starlink.api import errors
from starlink.apiserver.requests.writing import json_pointer, json_text
from starlink.apiserver.requests.writing.json_pointer import Holder, Misfit
from starlink.apiserver.validation import nesting, values

MAX_OPERATIONS = 10_000
MAX_COPIED = 3 * 1024 * 1024
"""Bytes of JSON that all `copy` operations of a patch may add."""

MAX_MOVED = 100_000_000
"""Entries of lists that may give way to those which a patch puts before them or takes away there."""

Obj = dict[str, Any]

_TEXTS = ("op", "path", "from")
_FIELDS = (*_TEXTS, "value")
_FROM = ("move", "copy")
_SHOWN = 200


def apply(obj: Obj, patch: Any) -> Obj:
    """The patched object; `obj` and `patch` are left as they are. Raises StatusError 400, 413 or 422."""
    patching = _Patching(msgspec.to_builtins(obj))  # a copy
    for number, operation in enumerate(_operations(patch)):
        try:
            patching.do(operation)
        except Misfit as why:
            raise _unfit(f"operation [{number}]: {why}") from None
    if not isinstance(patching.document, dict):
        raise _unfit("it leaves a list, and not an object")
    return nesting.checked(patching.document, "the patched object")


def with_texts(patch: Any, body: bytes) -> Any:
    """The patch that was read from a body, with the text of each value that is tested beside it."""
    if not isinstance(patch, list) or not any(isinstance(op, dict) and op.get("op") == "test" for op in patch):
        return patch
    try:
        texts = _texts.decode(body)
    except msgspec.ValidationError:  # what is no operation is refused when the patch is applied
        return patch
    return [
        {**op, _TEXT: bytes(text["value"])}
        if isinstance(op, dict) and isinstance(text, dict) and op.get("op") == "test" and "value" in text
        else op
        for op, text in zip(patch, texts, strict=True)
    ]


_TEXT = "text of value"
_texts = msgspec.json.Decoder(list[dict[str, msgspec.Raw] | None])


def uses_stored(patch: Any) -> bool:
    """Whether the patch makes values of what is stored, and so more of an object than it brings itself."""
    return isinstance(patch, list) and any(isinstance(op, dict) and op.get("op") in _FROM for op in patch)


def unknown_fields(patch: Any) -> tuple[str, ...]:
    """The paths of the first fields that no operation has."""
    operations = enumerate(patch) if isinstance(patch, list) else ()
    unknown = (f"[{i}].{name}" for i, op in operations if isinstance(op, dict) for name in op if name not in _FIELDS)
    return tuple(islice(unknown, errors.MOST_CAUSES + 1))


def _operations(patch: Any) -> list[Obj]:
    """The operations of a patch: null is none, and one that is null is one without fields. Raises StatusError 400 or
    413."""
    if patch is None:
        return []
    if not isinstance(patch, list):
        raise _undecodable("it must be a list of operations")
    for number, operation in enumerate(patch):
        if not isinstance(operation, dict | None):
            raise _undecodable(f"[{number}] must be an object")
        for field in _TEXTS:
            if not isinstance((operation or {}).get(field), str | None):
                raise _undecodable(f"[{number}].{field} must be a string")
    if len(patch) > MAX_OPERATIONS:
        raise errors.too_large(
            f"Request entity is too large: The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, "
            f"got {len(patch)}"
        )
    return [operation or {} for operation in patch]


class _Patching:
    """A document to which operations are done one after the other, each of which raises Misfit or StatusError; and what
    they have copied and moved so far.

    The refusals are in the library's words, which show nothing of what is stored: who may change a Secret may not
    therefore read it."""

    def __init__(self, document: Holder) -> None:
        self.document = document
        self._changed = False
        self._copied = 0
        self._values = 0
        self._moved = 0

    def do(self, operation: Obj) -> None:
        match operation.get("op"):
            case "add":
                self._insert(*self._place(operation, "path"), _brought(operation))
            case "remove":
                self._remove(*self._place(operation, "path"))
            case "replace":
                self._replace(operation)
            case "move":
                self._move(operation)
            case "copy":
                self._copy(operation)
            case "test":
                self._test(operation)
            case kind:
                raise Misfit(f'Unexpected kind: "{kind}"' if kind else "operation missing op field")
        self._changed = self._changed or operation["op"] != "test"

    def _replace(self, operation: Obj) -> None:
        value = _brought(operation)
        if operation.get("path") != "":
            json_pointer.put(*self._place(operation, "path"), value)
        elif isinstance(value, dict | list):
            self.document = value
        else:
            raise Misfit("replace operation value must be object or array")

    def _move(self, operation: Obj) -> None:
        source = self._place(operation, "from")
        value = json_pointer.get(*source)
        self._remove(*source)
        self._insert(*self._place(operation, "path"), value)

    def _copy(self, operation: Obj) -> None:
        value = json_pointer.get(*self._place(operation, "from"))
        holder, key = self._place(operation, "path")
        self._charge_copy(value)
        self._insert(holder, key, msgspec.to_builtins(value))

    def _test(self, operation: Obj) -> None:
        path = operation.get("path")
        found = self.document if path == "" else json_pointer.get(*self._place(operation, "path"))
        if not _is_same(found, operation.get("value")) or not self._is_written_so(found, operation):
            raise Misfit(f'testing value "{path}" failed: test failed')

    def _is_written_so(self, found: Any, operation: Obj) -> bool:
        """Whether a stored value has the text that is tested. What the patch itself has put there has its own text, and
        is not told from the rest: after a change, values alone count."""
        return self._changed or _TEXT not in operation or json_text.says(operation[_TEXT], found)

    def _place(self, operation: Obj, field: str) -> tuple[Holder, str]:
        """What holds the part that a field of an operation names, and its key there."""
        kind, pointer = operation["op"], operation.get(field)
        if pointer is None:
            raise Misfit(f"{kind} operation missing {field} field")
        place = json_pointer.find(self.document, pointer)
        if place is None:
            raise Misfit(f'{kind} operation does not apply: doc is missing {field}: "{pointer}"')
        return place

    def _insert(self, holder: Holder, key: str, value: Any) -> None:
        self._charge_move(json_pointer.insert(holder, key, value))

    def _remove(self, holder: Holder, key: str) -> None:
        self._charge_move(json_pointer.remove(holder, key))

    def _charge_copy(self, value: Any) -> None:
        """Raises StatusError 400, 413 or 422 before too much is copied."""
        self._copied += len(msgspec.json.encode(nesting.checked(value, "what the JSON patch copies")))
        if self._copied > MAX_COPIED:
            raise _unfit(
                f"Unable to complete the copy, the accumulated size increase of copy is {self._copied}, "
                f"exceeding the limit {MAX_COPIED}"
            )
        self._values += values.amount(value)
        if self._values > values.MAX_VALUES:
            raise values.too_many("what the JSON patch copies")

    def _charge_move(self, entries: int) -> None:
        self._moved += entries
        if self._moved > MAX_MOVED:
            raise errors.too_large(f"a JSON patch may move {MAX_MOVED} entries of lists, and this one moves more")


def _brought(operation: Obj) -> Any:
    """A copy of an operation's value, which later operations may change: a patch is applied again after a race."""
    return msgspec.to_builtins(operation.get("value"))


def _is_same(found: Any, value: Any) -> bool:
    """Whether two values are the same JSON, whatever the order of members. It goes no deeper than the shallower one."""
    if isinstance(found, dict) and isinstance(value, dict):
        return found.keys() == value.keys() and all(_is_same(part, value[key]) for key, part in found.items())
    if isinstance(found, list) and isinstance(value, list):
        return len(found) == len(value) and all(map(_is_same, found, value))
    return bool(found == value) and isinstance(found, bool) == isinstance(value, bool)


def _undecodable(why: str) -> errors.StatusError:
    return errors.StatusError(400, "BadRequest", f"error decoding patch: {why}", plain=True)


def _unfit(why: str) -> errors.StatusError:
    message = f"the server rejected our request due to an error in our request: the JSON patch: {why[:_SHOWN]}"
    return errors.StatusError(422, "Invalid", message, plain=True)
