"""JSON patches (https://www.rfc-editor.org/rfc/rfc6902), within the real server's bounds. Pure.

A patch of 2 KB can double a part of an object with each operation, and one that inserts before a long list moves all of
it each time. So there are budgets for what is copied, which is the real server's (JSONPatchMaxCopyBytes in
https://github.com/kubernetes/apiserver/blob/master/pkg/server/config.go), and for what is moved.
"""

import contextlib
from typing import Any

import jsonpatch
import msgspec

from starlink.apiserver import errors
from starlink.apiserver.writing import nesting, values

MAX_OPERATIONS = 10_000
MAX_COPIED = 3 * 1024 * 1024
"""Bytes of JSON that all `copy` operations of a patch may add."""

MAX_MOVED = 100_000_000
"""Entries of lists that may give way to those which a patch puts before them or takes away there."""

Obj = dict[str, Any]

_OPERATIONS = ("add", "remove", "replace", "move", "copy", "test")
_FROM = ("move", "copy")
_SHOWN = 200


def apply(obj: Obj, patch: Any) -> Obj:
    """The patched object; `obj` is left as it is. Raises StatusError 400, 413 or 422."""
    if not isinstance(patch, list) or not all(isinstance(operation, dict) for operation in patch):
        raise errors.bad_request("a JSON patch must be a list of operations")
    if len(patch) > MAX_OPERATIONS:
        raise errors.too_large(f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(patch)}")
    patched = _patched(obj, patch)
    if not isinstance(patched, dict):
        raise errors.bad_request("the JSON patch does not leave an object")
    return nesting.checked(patched, "the patched object")


def uses_stored(patch: Any) -> bool:
    """Whether the patch makes values of what is stored, and so more of an object than it brings itself."""
    return isinstance(patch, list) and any(isinstance(op, dict) and op.get("op") in _FROM for op in patch)


def _patched(obj: Obj, patch: list[Obj]) -> Any:
    """The refusals are in the words of https://github.com/evanphx/json-patch, which show nothing of what is stored:
    who may change a Secret may not therefore read it."""
    found: Any = msgspec.to_builtins(obj)  # a copy
    budget = _Budget()
    for operation in patch:
        path = operation.get("from" if operation.get("op") == "copy" else "path")
        why = _malformed(operation)
        if why:
            raise _unfit(why)
        try:
            step = jsonpatch.JsonPatch([operation])
            budget.charge(found, operation)
            found = step.apply(found, in_place=True)
        except jsonpatch.JsonPatchTestFailed:
            raise _unfit(f"testing value {path} failed: test failed") from None
        except _FAILURES:
            raise _unfit(f'{operation.get("op")} operation does not apply: doc is missing path: "{path}"') from None
    return found


_FAILURES = (
    jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, KeyError, AttributeError, IndexError,
    ValueError, RecursionError,
)  # fmt: skip


def _malformed(operation: Obj) -> str:
    """Why this is no operation; nothing where it is one."""
    kind, path = operation.get("op"), operation.get("path")
    if not isinstance(kind, str) or kind not in _OPERATIONS:
        return f"op: must be one of {', '.join(_OPERATIONS)}"
    if not _is_pointer(path):
        return f"{kind} operation: path: must be a JSON pointer"
    if kind in _FROM and not _is_pointer(operation.get("from")):
        return f"{kind} operation: from: must be a JSON pointer"
    if kind in ("add", "replace", "test") and "value" not in operation:
        return f"{kind} operation: value: must be given"
    return ""


def _is_pointer(path: Any) -> bool:
    return isinstance(path, str) and (not path or path.startswith("/"))


class _Budget:
    """What a patch has copied and moved so far."""

    def __init__(self) -> None:
        self._copied = 0
        self._values = 0
        self._moved = 0

    def charge(self, obj: Any, operation: Obj) -> None:
        """Counts what an operation is about to do, if it can be done at all. Raises StatusError 413 or 422."""
        kind = operation["op"]
        with contextlib.suppress(jsonpatch.JsonPointerException, KeyError, IndexError, TypeError, ValueError):
            if kind == "copy":
                self._copy(jsonpatch.JsonPointer(operation["from"]).resolve(obj))
            if kind in ("add", "copy", "move", "remove"):
                self._move(obj, operation["path"])
            if kind == "move":
                self._move(obj, operation["from"])

    def _copy(self, value: Any) -> None:
        self._copied += len(msgspec.json.encode(value))
        if self._copied > MAX_COPIED:
            raise _unfit(
                f"Unable to complete the copy, the accumulated size increase of copy is {self._copied}, "
                f"exceeding the limit {MAX_COPIED}"
            )
        self._values += values.amount(value)
        if self._values > values.MAX_VALUES:
            raise values.too_many("what the JSON patch copies")

    def _move(self, obj: Any, path: str) -> None:
        holder, place = jsonpatch.JsonPointer(path).to_last(obj)
        if isinstance(holder, list) and isinstance(place, int):
            self._moved += len(holder) - place
        if self._moved > MAX_MOVED:
            raise errors.too_large(f"a JSON patch may move {MAX_MOVED} entries of lists, and this one moves more")


def _unfit(why: str) -> errors.StatusError:
    message = f"the server rejected our request due to an error in our request: the JSON patch: {why[:_SHOWN]}"
    return errors.StatusError(422, "Invalid", message, plain=True)
