"""The hash of a plan: what is in it, and what it says of a plan that does not fit any more."""

import copy
from typing import Any

import pytest

from starlink.api.kinds import TASK, Kind
from starlink.cli.apply import apply_one
from starlink.cli.manifests import Manifest
from starlink.cli.placed import Placed
from starlink.cli.planned import Pair, differences, is_hash, plan_hash, version
from starlink.client.errors import Conflict

CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", True)
BODY = {"apiVersion": "starlink.dev/v1alpha1", "kind": "Task", "metadata": {"name": "web"}, "spec": {"replicas": 1}}
META = {"name": "web", "uid": "u", "generation": 1, "resourceVersion": "7", "labels": {"a": "b"}}


def pair(
    current: dict[str, Any] | None, body: dict[str, Any] = BODY, place: str = "default", kind: Kind = TASK
) -> Pair:
    return Placed(kind, Manifest("f.yaml", body), place), current


def test_of_what_is_there_the_status_does_not_count() -> None:
    current = {"metadata": META, "status": {"phase": "Pending"}}
    later = {"metadata": {**META, "resourceVersion": "8", "managedFields": []}, "status": {"phase": "Running"}}
    assert plan_hash([pair(current)]) == plan_hash([pair(later)])
    without = {name: value for name, value in META.items() if name != "generation"}
    assert version({"metadata": without}) != version({"metadata": {**without, "resourceVersion": "8"}})


@pytest.mark.parametrize(
    "other",
    [
        pair({"metadata": {**META, "generation": 2}}),
        pair({"metadata": {**META, "uid": "v"}}),
        pair({"metadata": {**META, "labels": {}}}),
        pair({"metadata": {**META, "annotations": {"a": "b"}}}),
        pair({"metadata": {**META, "deletionTimestamp": "2026-11-30T00:00:00Z"}}),
        pair(None),
        pair({"metadata": META}, place="team"),
        pair({"metadata": META}, kind=CONFIG_MAP),
        pair({"metadata": META}, {**BODY, "spec": {"replicas": 2}}),
        pair({"metadata": META}, {**BODY, "spec": {"replicas": "1"}}),
    ],
)
def test_everything_else_does(other: Pair) -> None:
    hash_ = plan_hash([pair({"metadata": META})])
    assert is_hash(hash_) and differences(hash_, [pair({"metadata": copy.deepcopy(META)})]) == []
    assert differences(hash_, [other])


def test_the_order_counts_and_what_is_another_is_named() -> None:
    one, two = pair(None), pair(None, {**BODY, "metadata": {"name": "two"}})
    hash_ = plan_hash([one, two])
    assert differences(hash_, [two, one])
    assert differences(hash_, [one]) == ["the plan was of 2 objects, and the files hold 1"]
    assert differences(hash_, [one, pair({"metadata": META}, two[0].manifest.body)]) == [
        "task default/two: it was made since"
    ]


def test_of_many_objects_the_hash_stays_short() -> None:
    many = [pair(None, {**BODY, "metadata": {"name": f"n{i}"}}) for i in range(21)]
    assert len(plan_hash(many)) == 20 and is_hash(plan_hash(many))
    assert len(plan_hash(many[:20])) == 141 and is_hash(plan_hash(many[:20]))
    assert differences(plan_hash(many), many[1:]) == [
        "what was planned is not what these files declare now, or not upon what is there now"
    ]


@pytest.mark.parametrize("text", ["", "abc", "g" * 20, "a" * 21, f"{'a' * 20}.", f"{'a' * 20}.abc"])
def test_what_is_no_hash(text: str) -> None:
    assert not is_hash(text)


def test_a_secret_is_slow_to_guess_from_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def scrypt(content: bytes, **cost: Any) -> bytes:
        asked.append(cost)
        return b""

    monkeypatch.setattr("hashlib.scrypt", scrypt)
    plan_hash([pair(None), pair(None, kind=Kind("", "v1", "Secret", "secrets", True))])
    assert len(asked) == 1 and asked[0]["n"] >= 2**14


class Changing:
    """An API whose object gets another status, or another spec, right before each of the first writes."""

    def __init__(self, *, spec: bool) -> None:
        self.meta: dict[str, Any] = dict(META)
        self._spec, self._left = spec, 2
        self.patches: list[dict[str, Any]] = []

    async def get(self, *_: Any) -> dict[str, Any]:
        return {"metadata": dict(self.meta), "spec": {"replicas": 5}}

    async def patch(self, _kind: Any, _name: str, patch: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        if self._left:
            self._left -= 1
            self.meta["resourceVersion"] += "1"
            self.meta["generation"] += self._spec
        if patch["metadata"]["resourceVersion"] != self.meta["resourceVersion"]:
            raise Conflict(409, "Conflict", "the object has been modified")
        self.patches.append(patch)
        return {"metadata": {**self.meta, "resourceVersion": "new"}}


async def test_a_status_that_is_written_meanwhile_changes_no_plan() -> None:
    api: Any = Changing(spec=False)
    done, _ = await apply_one(api, pair(None)[0], version({"metadata": META}))
    assert done == "configured" and len(api.patches) == 1 and api.patches[0]["metadata"]["uid"] == "u"


async def test_what_another_changes_meanwhile_is_not_written_over() -> None:
    api: Any = Changing(spec=True)
    with pytest.raises(Exception, match="task default/web was changed, made or deleted just now"):
        await apply_one(api, pair(None)[0], version({"metadata": META}))
    assert api.patches == []
