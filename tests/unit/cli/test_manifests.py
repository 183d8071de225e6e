"""Manifests: whatever stands in them, what can't be used is named with its place and what would be right."""

import copy
import io
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from starlink.api.habits import KINDS
from starlink.api.kinds import EVENT, POOL, SERVER, TASK, Kind
from starlink.api.merge_patch import merge
from starlink.api.meta import Object
from starlink.api.pool import Pool
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.cli.apply import patch_to
from starlink.cli.declaring import converted
from starlink.cli.manifests import Manifest, read
from starlink.cli.namespace import Namespace
from starlink.cli.resources import Resources, Served

VIEWS: dict[Kind, type[Object]] = {TASK: Task, POOL: Pool, SERVER: Server}
OWN = "StarLink's own are of apiVersion starlink.dev/v1alpha1: Assignment, Pool, Server, Task"
BESIDE = (EVENT, Kind("apps", "v1", "ControllerRevision", "controllerrevisions", True))
SERVED = Resources(
    [Served(kind, frozenset({kind.plural, kind.kind.lower()}), is_listed=True) for kind in (*BESIDE, *VIEWS)]
)
API = TASK.api_version


def task(name: Any = "web", **metadata: Any) -> dict[str, Any]:
    template = {"command": ["run"], "resources": {"requests": {"cpu": 1}}, "ports": [{"name": "http", "port": 80}]}
    spec = {"replicas": 2, "template": template, "placement": {"pool": "edge", "spread": [{"topologyKey": "zone"}]}}
    return {
        "apiVersion": API,
        "kind": "Task",
        "metadata": {"name": name, "namespace": "team", "labels": {"a": "b"}, "annotations": {"c": "d"}, **metadata},
        "spec": spec,
    }


def pool() -> dict[str, Any]:
    return {"apiVersion": API, "kind": "Pool", "metadata": {"name": "edge"}, "spec": {"quota": {"cpu": 4}}}


def several() -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": [task(), pool()]}


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all that stands in a value, itself included."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [at, *(place for key in keys for place in places(value[key], (*at, key)))]


def placed(whole: Any, at: tuple[Any, ...], value: Any) -> Any:
    """The whole with something else at a place."""
    if not at:
        return value
    changed = copy.copy(whole)
    changed[at[0]] = placed(whole[at[0]], at[1:], value)
    return changed


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x7f", min_codepoint=32), max_size=6)
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.sampled_from(("List", "Task", "v1", API))
KEY = TEXT | st.sampled_from(("name", "namespace", "items", "kind", "apiVersion", "metadata", "spec", "template"))
VALUE = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=3))


@st.composite
def documents(draw: st.DrawFn) -> Any:
    whole = draw(st.sampled_from((task(), pool(), several())))
    for _ in range(draw(st.integers(1, 2))):
        whole = placed(whole, draw(st.sampled_from(places(whole))), draw(VALUE))
    return whole


def gone_through(path: Path) -> list[Manifest]:
    """All that is done with a file short of asking the server."""
    found = read((str(path),))
    for manifest in found:
        kind = SERVED.of_manifest(manifest)
        Namespace().of(manifest)
        currents: tuple[dict[str, Any], ...] = ({"metadata": {}}, task(), pool())
        for current in currents:
            msgspec.json.encode(merge(current, patch_to(manifest, current)))
        converted(manifest.body, VIEWS[kind], manifest.where)
    return found


def tells(error: click.ClickException, path: Path) -> bool:
    """Whether it names the file, the place in it, and what would be right."""
    said = error.message
    where = rf"{re.escape(str(path))}(, document \d+(, items\[\d+\])?( is [^;]*)?(: |;)| is not valid YAML: .*line \d+|: no object)"
    right = r"; (write|give|starlink\.dev/v1alpha1 has|StarLink's own)|Expected|missing required|Invalid|line \d+"
    return bool(re.match(where, said, re.DOTALL) and re.search(right, said))


@given(documents(), st.sampled_from((json.dumps, lambda value: yaml.safe_dump(value, allow_unicode=True))))
@example({"apiVersion": "v1", "kind": "List"}, json.dumps)
@example({"apiVersion": "v1", "kind": "List", "items": [1]}, json.dumps)
@example({"apiVersion": "v1", "kind": "List", "items": [None]}, json.dumps)
@example({"apiVersion": "v1", "kind": "List", "items": {"a": 1}}, json.dumps)
@example(task(namespace=7), json.dumps)
@example(task(annotations=["x"]), json.dumps)
@example({**task(), "spec": 2**70}, json.dumps)
def test_any_value_at_any_place_is_read_or_told(document: Any, written: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "some.yaml")
        path.write_text(written(document))
        try:
            found = gone_through(path)
        except click.ClickException as error:
            assert tells(error, path), error.message
        else:
            assert all(one.name and one.kind and one.api_version for one in found)


@given(st.binary(max_size=40) | st.text(st.sampled_from("{}[]:-&*!?|>'\"# \n\tab1"), max_size=20).map(str.encode))
def test_any_bytes_are_read_or_told(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "some.yaml")
        path.write_bytes(content)
        with pytest.raises(click.ClickException) as caught:
            read((str(path),))
        assert str(path) in caught.value.message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"kind": "List", "apiVersion": "v1"}, "document 1: items is missing; write the list of the objects there"),
        ({"kind": "List", "apiVersion": "v1", "items": [1]}, "document 1, items[0] is 1; write an object with"),
        (several() | {"items": [several()]}, "items[0]: metadata.name is missing; give the object a name"),
        ([task()], 'document 1 is [{"apiVersion": "starlink.dev/v1alpha1",...; write an object with apiVersion'),
        (task(name=7), "document 1: metadata.name is 7; give the object a name"),
        (task(namespace=7), "document 1: metadata.namespace is 7; write the name of a namespace, or leave it away"),
        (task(labels=["a"]), 'document 1: metadata.labels is ["a"]; write a mapping of text to text'),
        ({**task(), "kind": None}, "document 1: kind is missing; write such as kind: Task"),
        ({**task(), "metadata": "x"}, 'document 1: metadata is "x"; write a mapping with the object\'s name'),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, body: Any, said: str) -> None:
    path = tmp_path / "some.json"
    path.write_text(json.dumps(body))
    with pytest.raises(click.ClickException) as caught:
        read((str(path),))
    assert caught.value.message.startswith(str(path)) and said in caught.value.message


@pytest.mark.parametrize(
    ("api_version", "kind", "said"),
    [
        ("starlink.dev/v1", "Task", "write apiVersion: starlink.dev/v1alpha1 and kind: Task"),
        (API, "task", "write apiVersion: starlink.dev/v1alpha1 and kind: Task"),
        (API, "tasks", "write apiVersion: starlink.dev/v1alpha1 and kind: Task"),
        (API, "Taks", "write apiVersion: starlink.dev/v1alpha1 and kind: Task"),
        ("starlink/v1", "Servr", "write apiVersion: starlink.dev/v1alpha1 and kind: Server"),
        (API, "Job", f"in its place StarLink has {KINDS['Job']}"),
        ("batch/v1", "Job", f"in its place StarLink has {KINDS['Job']}"),
        ("apps/v1", "Deployment", f"in its place StarLink has {KINDS['Deployment']}"),
        ("apps/v1", "deployments", f"in its place StarLink has {KINDS['Deployment']}"),
        (API, "Foo", OWN),
        ("v1", "EventSource", OWN),
        ("networking.k8s.io/v1", "Ingress", OWN),
    ],
)
def test_what_is_not_served_is_told_with_what_is(api_version: str, kind: str, said: str) -> None:
    manifest = Manifest("some.yaml, document 1", {**task(), "apiVersion": api_version, "kind": kind})
    with pytest.raises(click.ClickException) as caught:
        SERVED.of_manifest(manifest)
    found = f"some.yaml, document 1: apiVersion {api_version!r}, kind {kind!r} is not served; {said}"
    assert caught.value.message == found


def test_a_list_holds_objects_whatever_its_kind(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps({"apiVersion": API, "kind": "TaskList", "items": [task("a"), task("b")]}))
    assert [one.name for one in read((str(path),))] == ["a", "b"]


def test_standard_input_has_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for content, said in ((b"", "standard input: no object"), (b"\xff", "standard input: byte 0 is not UTF-8")):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        with pytest.raises(click.ClickException) as caught:
            read(("-",))
        assert caught.value.message.startswith(said)


def test_a_file_of_a_folder_is_named_itself(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(json.dumps(task()))
    (tmp_path / "b.yaml").mkdir()
    with pytest.raises(click.ClickException) as caught:
        read((str(tmp_path),))
    assert caught.value.message == f"{tmp_path / 'b.yaml'}: Is a directory"
