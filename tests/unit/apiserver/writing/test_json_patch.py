"""JSON patches as the real server's library takes them: one row a rule."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.profiles import examples

from starlink.api.errors import StatusError
from starlink.apiserver.requests.writing import json_patch
from starlink.apiserver.validation import nesting

Obj = dict[str, Any]

DOCUMENT: Obj = {"a": "secret", "n": 1, "none": None, "list": [10, 20, 30], "map": {"b": "x", "c~/d": 1}, "": "empty"}


def operation(kind: str, path: str, **rest: Any) -> Obj:
    return {"op": kind, "path": path, **rest}


def add(path: str, value: Any = "new") -> Obj:
    return operation("add", path, value=value)


def remove(path: str) -> Obj:
    return operation("remove", path)


def replace(path: str, value: Any = "new") -> Obj:
    return operation("replace", path, value=value)


def move(source: str, path: str) -> Obj:
    return {**operation("move", path), "from": source}


def copied(source: str, path: str) -> Obj:
    return {**operation("copy", path), "from": source}


def holds(path: str, value: Any) -> Obj:
    return operation("test", path, value=value)


FITTING: dict[str, tuple[Any, Obj]] = {
    "null is no operation": (None, {}),
    "an empty list is none": ([], {}),
    "add: a member": ([add("/new")], {"new": "new"}),
    "add: over a member": ([add("/a")], {"a": "new"}),
    "add: the member without a name": ([add("/")], {"": "new"}),
    "add: before an entry": ([add("/list/1")], {"list": [10, "new", 20, 30]}),
    "add: behind the last": ([add("/list/3")], {"list": [10, 20, 30, "new"]}),
    "add: -": ([add("/list/-")], {"list": [10, 20, 30, "new"]}),
    "add: -1 is behind the last": ([add("/list/-1")], {"list": [10, 20, 30, "new"]}),
    "add: -2 is before the last": ([add("/list/-2")], {"list": [10, 20, "new", 30]}),
    "add: -4 is before the first": ([add("/list/-4")], {"list": ["new", 10, 20, 30]}),
    "add: a value not given is null": ([operation("add", "/new")], {"new": None}),
    "a key of a list has no meaning in a map": ([add("/map/-", 1)], {"map": {"b": "x", "c~/d": 1, "-": 1}}),
    "an index may begin with zeros": ([replace("/list/01")], {"list": [10, "new", 30]}),
    "an index may begin with many zeros": ([replace(f"/list/{'0' * 30}1")], {"list": [10, "new", 30]}),
    "an index may begin with plus": ([replace("/list/+1")], {"list": [10, "new", 30]}),
    "an index may be -0": ([replace("/list/-0")], {"list": ["new", 20, 30]}),
    "what stands before the first slash is skipped": ([replace("x/map/b")], {"map": {"b": "new", "c~/d": 1}}),
    "~0 and ~1 are ~ and /": ([replace("/map/c~0~1d", 2)], {"map": {"b": "x", "c~/d": 2}}),
    "~01 is ~1": ([add("/~01", 2)], {"~1": 2}),
    "~2 is itself": ([add("/~2", 2)], {"~2": 2}),
    "remove: null": ([remove("/none")], {"none": ...}),
    "remove: from the end": ([remove("/list/-1")], {"list": [10, 20]}),
    "replace: a member that is not there": ([replace("/new")], {"new": "new"}),
    "replace: from the end": ([replace("/list/-3")], {"list": ["new", 20, 30]}),
    "replace: by null": ([replace("/a", None)], {"a": None}),
    "replace: a value not given is null": ([operation("replace", "/a")], {"a": None}),
    "move: null": ([move("/none", "/new")], {"none": ..., "new": None}),
    "move: onto itself": ([move("/a", "/a")], {}),
    "move: within a list": ([move("/list/0", "/list/-")], {"list": [20, 30, 10]}),
    "move: what names a place after the removal": ([move("/list/0", "/list/2")], {"list": [20, 30, 10]}),
    "copy: a member that is not there is null": ([copied("/nothing", "/new")], {"new": None}),
    "copy: null": ([copied("/none", "/new")], {"new": None}),
    "copy: from the end of a list": ([copied("/list/-1", "/list/0")], {"list": [30, 10, 20, 30]}),
    "copy: into itself": ([copied("/list", "/list/-")], {"list": [10, 20, 30, [10, 20, 30]]}),
    "copy: apart from its source": (
        [copied("/map", "/new"), replace("/new/b")], {"new": {"b": "new", "c~/d": 1}},
    ),
    "test: a member that is not there is null": ([holds("/nothing", None)], {}),
    "test: of what is not there, a value not given": ([operation("test", "/nothing")], {}),
    "test: null": ([holds("/none", None)], {}),
    "test: the order of members does not count": ([holds("/map", {"c~/d": 1, "b": "x"})], {}),
    "test: numbers are compared by value": ([holds("/n", 1.0)], {}),
    "test: an entry from the end": ([holds("/list/-3", 10)], {}),
    "test: a list with null": ([add("/new", [None]), holds("/new", [None])], {"new": [None]}),
    "test: the whole document": ([holds("", DOCUMENT)], {}),
    "test: what an operation before it did": ([replace("/a"), holds("/a", "new")], {"a": "new"}),
}  # fmt: skip

NO_PLACE = 'operation does not apply: doc is missing path: "{}"'
NO_INDEX = "Unable to access invalid index: {}"
NOT_SO = 'testing value "{}" failed: test failed'

MISFITS: dict[str, tuple[list[Any], str]] = {
    "no op": ([{"path": "/a"}], "operation [0]: operation missing op field"),
    "null": ([None], "operation missing op field"),
    "an unknown op": ([add("/x"), operation("ADD", "/a")], 'operation [1]: Unexpected kind: "ADD"'),
    "no path": ([{"op": "add", "value": 1}], "add operation missing path field"),
    "path: null": ([{"op": "test", "path": None}], "test operation missing path field"),
    "no from": ([operation("move", "/x")], "move operation missing from field"),
    "from: null": ([{**operation("copy", "/x"), "from": None}], "copy operation missing from field"),
    "a pointer without a slash": ([replace("a")], "replace " + NO_PLACE.format("a")),
    "below what is not there": ([add("/x/y")], "add " + NO_PLACE.format("/x/y")),
    "below text": ([add("/a/b")], "add " + NO_PLACE.format("/a/b")),
    "below null": ([add("/none/b")], "add " + NO_PLACE.format("/none/b")),
    "below an added null": ([add("/x", None), add("/x/b")], "add " + NO_PLACE.format("/x/b")),
    "below an entry that is not there": ([add("/list/9/x")], "add " + NO_PLACE.format("/list/9/x")),
    "below -": ([add("/list/-/x")], "add " + NO_PLACE.format("/list/-/x")),
    "add: the whole document": ([add("", {})], "add " + NO_PLACE.format("")),
    "add: beyond the end": ([add("/list/4")], NO_INDEX.format(4)),
    "add: beyond the beginning": ([add("/list/-5")], NO_INDEX.format(-5)),
    "no index": ([add("/list/x")], 'value was not a proper array index: "x"'),
    "an empty index": ([add("/list/")], 'value was not a proper array index: ""'),
    "an index of Python's": ([add("/list/1_0")], 'value was not a proper array index: "1_0"'),
    "an index in other digits": ([add("/list/١")], 'value was not a proper array index: "١"'),
    "an index of many digits": ([add("/list/" + "9" * 5000)], "value was not a proper array index: "),
    "remove: what is not there": ([remove("/map/x")], 'Unable to remove nonexistent key: "x"'),
    "remove: the whole document": ([remove("")], "remove " + NO_PLACE.format("")),
    "remove: beyond the end": ([remove("/list/3")], NO_INDEX.format(3)),
    "remove: -": ([remove("/list/-")], 'value was not a proper array index: "-"'),
    "replace: beyond the end": ([replace("/list/3")], NO_INDEX.format(3)),
    "replace: -": ([replace("/list/-")], 'value was not a proper array index: "-"'),
    "replace: the document by text": ([replace("", "x")], "replace operation value must be object or array"),
    "replace: the document by nothing": ([operation("replace", "")], "replace operation value must be object or array"),
    "replace: the document by a list": ([replace("", [])], "it leaves a list, and not an object"),
    "move: what is not there": ([move("/nothing", "/x")], 'Unable to remove nonexistent key: "nothing"'),
    "move: the whole document": ([move("", "/x")], 'move operation does not apply: doc is missing from: ""'),
    "move: into its own member": ([move("/map", "/map/x")], "move " + NO_PLACE.format("/map/x")),
    "copy: an entry that is not there": ([copied("/list/3", "/x")], NO_INDEX.format(3)),
    "copy: the whole document": ([copied("", "/x")], 'copy operation does not apply: doc is missing from: ""'),
    "copy: below what is not there": ([copied("/a", "/x/y")], "copy " + NO_PLACE.format("/x/y")),
    "test: another": ([holds("/a", "guess")], NOT_SO.format("/a")),
    "test: null of what is there": ([holds("/a", None)], NOT_SO.format("/a")),
    "test: of what is there, a value not given": ([operation("test", "/a")], NOT_SO.format("/a")),
    "test: of what is not there": ([holds("/nothing", "x")], NOT_SO.format("/nothing")),
    "test: true is not 1": ([holds("/n", True)], NOT_SO.format("/n")),
    "test: true is not 1, inside": ([add("/x", {"y": [1]}), holds("/x", {"y": [True]})], NOT_SO.format("/x")),
    "test: text is not a number": ([holds("/n", "1")], NOT_SO.format("/n")),
    "test: not every member": ([holds("/map", {"b": "x"})], NOT_SO.format("/map")),
    "test: missing is not null inside": ([holds("/map", {"b": "x", "c~/d": 1, "e": None})], NOT_SO.format("/map")),
    "test: the order of entries counts": ([holds("/list", [20, 10, 30])], NOT_SO.format("/list")),
    "test: an entry that is not there": ([holds("/list/3", None)], NO_INDEX.format(3)),
    "test: below what is not there": ([holds("/x/y", None)], "test " + NO_PLACE.format("/x/y")),
    "test: the whole document is another": ([holds("", {})], NOT_SO.format("")),
}

MALFORMED: dict[str, tuple[Any, str]] = {
    "an object": (add("/x"), "it must be a list of operations"),
    "text": ("x", "it must be a list of operations"),
    "a number in the list": ([add("/x"), 1], "[1] must be an object"),
    "op: a number": ([{"op": 1, "path": "/a"}], "[0].op must be a string"),
    "path: a list": ([{"op": "remove", "path": ["a"]}], "[0].path must be a string"),
    "from: an object, where none is needed": ([{**remove("/a"), "from": {}}], "[0].from must be a string"),
}


@pytest.mark.parametrize("row", FITTING)
def test_what_fits(row: str) -> None:
    patch, changed = FITTING[row]
    wanted = {name: value for name, value in {**DOCUMENT, **changed}.items() if value is not ...}
    document, given_patch = copy.deepcopy(DOCUMENT), copy.deepcopy(patch)
    assert json_patch.apply(document, patch) == wanted
    assert json_patch.apply(document, patch) == wanted, "a patch is applied again after a race"
    assert (document, patch) == (DOCUMENT, given_patch)


def refusal(patch: Any) -> StatusError:
    document = copy.deepcopy(DOCUMENT)
    with pytest.raises(StatusError) as refused:
        json_patch.apply(document, patch)
    assert document == DOCUMENT
    return refused.value


@pytest.mark.parametrize("row", MISFITS)
def test_what_does_not_fit(row: str) -> None:
    patch, words = MISFITS[row]
    error = refusal(patch)
    assert (error.code, error.reason, error.plain) == (422, "Invalid", True)
    assert words in error.message and len(error.message) < 400
    assert error.message.startswith("the server rejected our request due to an error in our request: the JSON patch: ")
    assert "secret" not in error.message


@pytest.mark.parametrize("row", MALFORMED)
def test_what_is_no_patch(row: str) -> None:
    patch, words = MALFORMED[row]
    error = refusal(patch)
    assert (error.code, error.reason, error.message) == (400, "BadRequest", f"error decoding patch: {words}")


def test_the_document_is_replaced() -> None:
    assert json_patch.apply(DOCUMENT, [replace("", {"x": []}), add("/x/-", 1)]) == {"x": [1]}


def test_a_patch_that_grows_its_own_value_does_so_once_each_time() -> None:
    patch = [add("/new", []), add("/new/-", 1)]
    assert [json_patch.apply({}, patch) for _ in range(2)] == [{"new": [1]}] * 2


def test_copies_nest_no_deeper_than_a_body_may() -> None:
    patch, deepest = [add("/x", {})], "/x"
    for _ in range(9):
        patch.append(copied("/x", f"{deepest}/x"))
        deepest += deepest
    error = refusal(patch)
    assert error.code == 400 and str(nesting.MAX_DEPTH) in error.message


def test_deep_parts_are_compared_no_deeper_than_the_value() -> None:
    """Moves make what is stored deeper than what Python can walk by calls."""
    deep: Obj = {"b": 1}
    for _ in range(nesting.MAX_DEPTH // 2):
        deep = {"d": deep}
    path, patch = "/x", [add("/x", copy.deepcopy(deep))]
    for _ in range(40):
        path += "/d" * (nesting.MAX_DEPTH // 2)
        patch.append(add(path, copy.deepcopy(deep)))
    assert NOT_SO.format("/x") in refusal([*patch, holds("/x", deep)]).message


def test_fields_that_no_operation_has() -> None:
    patch = [add("/x"), {**remove("/x"), "vlaue": 1, "Op": "add"}, None, 1]
    assert json_patch.unknown_fields(patch) == ("[1].vlaue", "[1].Op")
    assert json_patch.unknown_fields({"x": 1}) == ()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text("ab~/", max_size=2), part, max_size=3),
    max_leaves=6,
)
LISTS = st.lists(st.integers(0, 9), max_size=5)


def pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


@examples(150)
@given(st.dictionaries(st.text("ab~/", max_size=3), VALUES, max_size=4), st.text("ab~/", max_size=3), VALUES)
def test_a_member_is_what_was_put_there(document: Obj, name: str, value: Any) -> None:
    at = pointer(name)
    wanted = {**document, name: value}
    assert json_patch.apply(document, [add(at, value), holds(at, value)]) == wanted
    assert json_patch.apply(document, [replace(at, value), holds("", wanted)]) == wanted
    gone = {key: part for key, part in document.items() if key != name}
    assert json_patch.apply(document, [add(at, value), remove(at), holds(at, None)]) == gone


@examples(150)
@given(LISTS, st.integers(-8, 8))
def test_an_index_counts_from_either_end(entries: list[int], index: int) -> None:
    """As Python's own do, but that -1 is behind the last for `add`, and that nothing is beyond."""
    size, at = len(entries), f"/list/{index}"
    document = {"list": entries}
    added, gone = list(entries), list(entries)
    if -size - 1 <= index <= size:
        added.insert(index if index >= 0 else size + 1 + index, 99)
        assert json_patch.apply(document, [add(at, 99), holds(at, 99)]) == {"list": added}
    else:
        with pytest.raises(StatusError):
            json_patch.apply(document, [add(at, 99)])
    if -size <= index < size:
        taken = gone.pop(index)
        assert json_patch.apply(document, [holds(at, taken), remove(at)]) == {"list": gone}
    else:
        with pytest.raises(StatusError):
            json_patch.apply(document, [remove(at)])
