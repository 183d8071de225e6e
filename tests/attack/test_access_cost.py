"""Roles and bindings of thousands of rules and subjects hold up nobody who asks for something."""

import asyncio
import threading
from typing import Any

import pytest
from tests.attack.runs import counted
from tests.integration.conftest import Core

from starlink.apiserver.handler import Api
from starlink.apiserver.resources import encoding
from starlink.apiserver.security.authorization import authorizer as authorizing
from starlink.apiserver.security.authorization import escalation, rbac
from starlink.http.message import User
from starlink.store.base import Key

GROUP = "rbac.authorization.k8s.io"
HOME = f"/apis/{GROUP}/v1/namespaces/default"
CLUSTER_ROLES = f"/apis/{GROUP}/v1/clusterroles"
MAPS = "/api/v1/namespaces/default/configmaps"
JANE = User("jane", ("system:authenticated",))
FEW = 2_000
"""Calls that nobody notices: a millisecond."""


@pytest.fixture(autouse=True)
async def settled(api: Api) -> None:
    """The server has gathered the rules of its own roles."""
    for _ in range(1_000):
        gathered = [api.store.get(Key(f"{GROUP}/clusterroles", "", name)) for name in ("admin", "edit", "view")]
        if all(record is not None and encoding.raw(record).get("rules") for record in gathered):
            return
        await asyncio.sleep(0.01)


def rules(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"apiGroups": [f"g{i}"], "resources": ["x"], "verbs": ["get"], **fields} for i in range(count)]


async def make_role(core: Core, name: str, *stated: dict[str, Any]) -> None:
    made = await core("POST", f"{HOME}/roles", {"metadata": {"name": name}, "rules": list(stated)})
    assert made.status == 201, made.body


async def bind(core: Core, role: str, *users: str) -> None:
    subjects = [{"kind": "User", "apiGroup": GROUP, "name": name} for name in users]
    body = {
        "metadata": {"name": role},
        "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": role},
        "subjects": subjects,
    }
    made = await core("POST", f"{HOME}/rolebindings", body)
    assert made.status == 201, made.body


async def asked(core: Core, user: User = JANE) -> tuple[int, int]:
    """The status of a small request, and how long the loop was busy with it."""
    async with counted() as runs:
        answer = await core("GET", f"{MAPS}/x", user=user)
    return answer.status, runs.longest


async def test_rules_of_others_are_not_read(core: Core) -> None:
    for number in range(40):
        await make_role(core, f"other{number}", *rules(400))
        await bind(core, f"other{number}", "joe")
    assert await core("GET", MAPS, user=JANE)
    for change in ({"labels": {"a": "b"}}, {"labels": {"a": "c"}}):
        assert (await core.merge(f"{HOME}/roles/other1", {"metadata": change})).status == 200
        status, busy = await asked(core)
        assert status == 403 and busy < FEW


async def test_subjects_that_are_known_are_not_bound_again(core: Core) -> None:
    await make_role(core, "other", *rules(1))
    await bind(core, "other", *(f"u{number}" for number in range(5_000)))
    await asked(core)
    await make_role(core, "another", *rules(1))
    status, busy = await asked(core)
    assert status == 403 and busy < FEW
    await bind(core, "another", "jane", "u1")
    held = core.api.guard.authorizer.held(User("u1"), "default")
    assert [grant.reason.split('"')[1] for grant in held.grants] == ["another/default", "other/default"]


@pytest.mark.parametrize("fields", [{}, {"resourceNames": ["a", "b"]}], ids=["any name", "names"])
async def test_many_rules_are_looked_through_beside_the_loop(
    core: Core, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    threads, allows = set[int](), rbac.allows

    def noted(rule: Any, attributes: Any) -> bool:
        threads.add(threading.get_ident())
        return allows(rule, attributes)

    await make_role(core, "large", *rules(6_000, **fields))
    await bind(core, "large", "jane")
    monkeypatch.setattr(rbac, "allows", noted)
    status, busy = await asked(core)
    assert status == 403 and busy < FEW
    assert threads and threading.get_ident() not in threads
    threads.clear()
    assert (await asked(core))[0] == 403 and not threads, "a decision is kept"


async def test_a_review_of_many_rules_is_answered_beside_the_loop(core: Core) -> None:
    await make_role(core, "large", *rules(6_000))
    await bind(core, "large", "jane")
    spec = {"resourceAttributes": {"verb": "get", "group": "g5999", "resource": "x", "namespace": "default"}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    await core("POST", path, {"spec": spec}, user=User("joe", JANE.groups))  # has the schema made ready
    async with counted() as runs:
        review = await core("POST", path, {"spec": spec}, user=JANE)
    assert review.body["status"]["allowed"] is True and runs.longest < FEW


async def test_what_a_writer_of_roles_holds_is_compared_beside_the_loop(core: Core) -> None:
    may = {"apiGroups": [GROUP], "resources": ["roles"], "verbs": ["create"]}
    await make_role(core, "writer", may, *rules(50))
    await bind(core, "writer", "jane")
    await asked(core)
    verbs = {"apiGroups": ["g1"], "resources": ["x"], "verbs": [f"v{number}" for number in range(3_000)]}
    async with counted() as runs:
        refused = await core("POST", f"{HOME}/roles", {"metadata": {"name": "new"}, "rules": [verbs]}, user=JANE)
    assert refused.status == 403 and "not currently held" in refused.body["message"]
    assert runs.longest < FEW


def test_the_verbs_of_a_refusal_are_gathered_once_each() -> None:
    """A tuple that grows by one verb after another would be copied as often."""
    parts = [rbac.Rule((f"v{number}",), ("g",), ("x",)) for number in range(escalation.MAX_COMPARED)]
    (told,) = escalation._compacted(parts)
    assert len(told.verbs) == escalation.MAX_COMPARED


async def test_rules_are_gathered_beside_the_loop_and_each_once(api: Api, core: Core) -> None:
    label = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    async with counted() as runs:
        for name in ("a", "b"):
            made = await core(
                "POST", CLUSTER_ROLES, {"metadata": {"name": name, "labels": label}, "rules": rules(1_500)}
            )
            assert made.status == 201
        for _ in range(500):
            view = (await core("GET", f"{CLUSTER_ROLES}/view")).body
            if len(view["rules"]) > 1_500:
                break
            await asyncio.sleep(0.01)
    assert [rule["apiGroups"] for rule in view["rules"]].count(["g7"]) == 1
    assert runs.longest < 10 * FEW
    role = api.guard.authorizer.role("ClusterRole", "", "view")
    assert role is not None and len(role.rules) == len(view["rules"])


async def test_what_changes_while_a_decision_is_made_is_not_kept(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decision is that of the moment when it was asked for; the next is a new one."""
    entered, go_on, decide = threading.Event(), threading.Event(), authorizing._decide

    def held_up(grants: Any, attributes: Any) -> Any:
        entered.set()
        assert go_on.wait(30)
        return decide(grants, attributes)

    may = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
    await make_role(core, "large", *rules(6_000), may)
    await bind(core, "large", "jane")
    monkeypatch.setattr(authorizing, "_decide", held_up)
    first = asyncio.create_task(core("GET", f"{MAPS}/x", user=JANE))
    assert await asyncio.to_thread(entered.wait, 30)
    gone = await core("DELETE", f"{HOME}/rolebindings/large")
    go_on.set()
    assert gone.status == 200 and (await first).status == 404
    assert (await core("GET", f"{MAPS}/x", user=JANE)).status == 403
