"""Decisions over a store: administrators, agents, and what RBAC gives."""

from typing import Any

import msgspec
import pytest

from starlink.apiserver.security.authorization import agent_access
from starlink.apiserver.security.authorization.agent_access import Verdict
from starlink.apiserver.security.authorization.authorizer import MEMO, Authorizer, forbidden
from starlink.apiserver.security.authorization.rbac import GROUP, Attributes, Decision
from starlink.http.message import ADMIN_GROUP, ANONYMOUS, User
from starlink.store.base import Key
from starlink.store.memory import MemoryStore

ALICE = User("alice", ("dev", "system:authenticated"))
AGENT = User("system:serviceaccount:starlink-servers:s1", ("system:serviceaccounts", "system:authenticated"))
GET = Attributes("get", "starlink.dev", resource="tasks", namespace="a", name="t")
RULES = [{"verbs": ["get"], "apiGroups": ["starlink.dev"], "resources": ["tasks"]}]


class World:
    """A store and an authorizer over it."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.authorizer = Authorizer(self.store, self.agents)

    @staticmethod
    def agents(user: User, asked: Attributes) -> Decision | None:
        verdict = agent_access.verdict(user, asked)
        return None if verdict is None else Decision(verdict is Verdict.ALLOW, agent_access.REFUSED)

    async def put(self, plural: str, namespace: str, name: str, **body: Any) -> None:
        key = Key(f"{GROUP}/{plural}", namespace, name)
        current = self.store.get(key)
        meta = {"name": name, "namespace": namespace, "labels": body.pop("labels", {})}
        await self.store.put(
            key, msgspec.json.encode({"metadata": meta, **body}), expect=current.revision if current else 0
        )

    async def bind(
        self, namespace: str, name: str, role: str, *subjects: dict[str, str], kind: str = "ClusterRole"
    ) -> None:
        plural = "rolebindings" if namespace else "clusterrolebindings"
        ref = {"apiGroup": GROUP, "kind": kind, "name": role}
        await self.put(plural, namespace, name, roleRef=ref, subjects=list(subjects))

    def may(self, user: User, asked: Attributes = GET) -> bool:
        return self.authorizer.authorize(user, asked).allowed


@pytest.fixture
def world() -> World:
    return World()


def person(name: str) -> dict[str, str]:
    return {"kind": "User", "apiGroup": GROUP, "name": name}


def group(name: str) -> dict[str, str]:
    return {"kind": "Group", "apiGroup": GROUP, "name": name}


def account(name: str, namespace: str = "") -> dict[str, str]:
    return {"kind": "ServiceAccount", "name": name, **({"namespace": namespace} if namespace else {})}


def test_nobody_may_do_anything_but_administrators(world: World) -> None:
    assert not world.may(ALICE) and not world.may(ANONYMOUS)
    assert world.may(User("root", (ADMIN_GROUP,))) and world.may(
        User("root", (ADMIN_GROUP,)), Attributes("get", path="/x")
    )


async def test_a_cluster_role_binding_reaches_everywhere(world: World) -> None:
    await world.put("clusterroles", "", "reader", rules=RULES)
    await world.bind("", "readers", "reader", group("dev"))
    decision = world.authorizer.authorize(ALICE, GET)
    assert decision == Decision(
        True, 'RBAC: allowed by ClusterRoleBinding "readers" of ClusterRole "reader" to Group "dev"'
    )
    assert world.may(ALICE, Attributes("get", "starlink.dev", resource="tasks"))
    assert not world.may(ALICE, Attributes("list", "starlink.dev", resource="tasks", namespace="a"))


async def test_a_role_binding_reaches_its_namespace_only(world: World) -> None:
    await world.put("clusterroles", "", "reader", rules=RULES)
    await world.put("roles", "a", "local", rules=RULES)
    for role, kind, who in (("reader", "ClusterRole", "alice"), ("local", "Role", "bob")):
        await world.bind("a", f"b-{who}", role, person(who), kind=kind)
        user = User(who)
        assert world.may(user)
        assert not world.may(user, Attributes("get", "starlink.dev", resource="tasks", namespace="b", name="t"))
        assert not world.may(user, Attributes("get", "starlink.dev", resource="tasks", name="t"))
    reason = world.authorizer.authorize(User("bob"), GET).reason
    assert reason == 'RBAC: allowed by RoleBinding "b-bob/a" of Role "local" to User "bob"'


async def test_service_accounts(world: World) -> None:
    await world.put("clusterroles", "", "reader", rules=RULES)
    await world.bind("a", "here", "reader", account("bot"))
    await world.bind("a", "there", "reader", account("bot", "b"))
    await world.bind("", "nowhere", "reader", account("lost"))
    for namespace, allowed in (("a", True), ("b", True), ("c", False)):
        assert world.may(User(f"system:serviceaccount:{namespace}:bot")) is allowed
    assert not world.may(User("system:serviceaccount:a:lost"))
    reason = world.authorizer.authorize(User("system:serviceaccount:a:bot"), GET).reason
    assert reason.endswith('RoleBinding "here/a" of ClusterRole "reader" to ServiceAccount "bot/a"')


async def test_a_binding_counts_once_for_the_first_subject_that_one_is(world: World) -> None:
    await world.put("clusterroles", "", "reader", rules=RULES)
    await world.bind("", "b", "reader", group("dev"), person("alice"), group("system:authenticated"))
    (grant,) = world.authorizer.held(ALICE).grants
    assert grant.reason.endswith('to Group "dev"')


async def test_a_missing_role_is_told_and_hides_nothing(world: World) -> None:
    await world.bind("", "b1", "gone", person("alice"))
    await world.bind("a", "b2", "away", person("alice"), kind="Role")
    told = world.authorizer.authorize(ALICE, GET)
    assert told == Decision(
        False,
        'RBAC: [clusterrole.rbac.authorization.k8s.io "gone" not found, '
        'role.rbac.authorization.k8s.io "away" not found]',
    )
    await world.put("roles", "a", "away", rules=RULES)
    assert world.may(ALICE)


async def test_a_cluster_wide_binding_to_a_role_never_means_the_cluster_role(world: World) -> None:
    await world.put("clusterroles", "", "reader", rules=RULES)
    await world.bind("", "b", "reader", person("alice"), kind="Role")
    assert not world.may(ALICE)


async def test_every_change_counts_at_once(world: World) -> None:
    await world.put("clusterroles", "", "reader", rules=RULES)
    assert not world.may(ALICE)
    await world.bind("", "b", "reader", person("alice"))
    assert world.may(ALICE)
    await world.put("clusterroles", "", "reader", rules=None)
    assert not world.may(ALICE)
    await world.put("clusterroles", "", "reader", rules=RULES)
    assert world.may(ALICE)
    key = Key(f"{GROUP}/clusterrolebindings", "", "b")
    await world.store.delete(key, expect=world.store.get(key).revision)  # type: ignore[union-attr]
    assert not world.may(ALICE)


async def test_aggregation_counts_at_once(world: World) -> None:
    selector = {"matchLabels": {"to-top": "true"}}
    await world.put("clusterroles", "", "top", aggregationRule={"clusterRoleSelectors": [selector]}, rules=RULES)
    await world.bind("", "b", "top", person("alice"))
    assert not world.may(ALICE)
    await world.put("clusterroles", "", "part", rules=RULES, labels={"to-top": "true"})
    assert world.may(ALICE) and world.authorizer.role("ClusterRole", "", "top")


async def test_names_are_told_apart_where_a_rule_names_any(world: World) -> None:
    named = [{**RULES[0], "resourceNames": ["mine", ""]}]
    await world.put("clusterroles", "", "reader", rules=named)
    await world.bind("", "b", "reader", person("alice"))
    asked = {name: Attributes("get", "starlink.dev", resource="tasks", namespace="a", name=name) for name in "xy"}
    assert not world.may(ALICE, asked["x"]) and not world.may(ALICE, asked["y"])
    assert world.may(ALICE, Attributes("get", "starlink.dev", resource="tasks", namespace="a", name="mine"))
    assert world.may(ALICE, Attributes("get", "starlink.dev", resource="tasks", namespace="a"))


async def test_groups_and_paths_are_told_apart(world: World) -> None:
    await world.put("clusterroles", "", "health", rules=[{"verbs": ["get"], "nonResourceURLs": ["/healthz"]}])
    await world.bind("", "b", "health", group("system:authenticated"))
    path = Attributes("get", path="/healthz")
    assert world.may(ALICE, path) and world.may(AGENT, path)
    assert not world.may(User("alice"), path) and not world.may(ALICE, Attributes("get", path="/metrics"))


async def test_paths_that_askers_invent_do_not_fill_the_memory(world: World) -> None:
    for number in range(MEMO + 10):
        assert not world.may(ALICE, Attributes("get", path=f"/{number}"))
    assert len(world.authorizer._decisions) <= MEMO


async def test_no_binding_gives_an_agent_more(world: World) -> None:
    everything = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    await world.put("clusterroles", "", "all", rules=everything)
    await world.bind("", "b", "all", group("system:serviceaccounts"))
    assert world.may(User("system:serviceaccount:a:bot", ("system:serviceaccounts",)))
    assert world.authorizer.authorize(AGENT, GET) == Decision(False, agent_access.REFUSED)


def of(text: str, **more: Any) -> Attributes:
    verb, resource, *place = text.split()
    kind, _, group = resource.partition(".")
    plural, _, subresource = kind.partition("/")
    namespace, _, name = "".join(place).rpartition("/")
    return Attributes(verb, group, resource=plural, subresource=subresource, namespace=namespace, name=name, **more)


@pytest.mark.parametrize(
    ("asked", "verdict"),
    [
        (of("list assignments.starlink.dev", fields=(("spec.server", "s1"),)), Verdict.ALLOW),
        (of("watch assignments.starlink.dev", fields=(("spec.server", "s2"),)), Verdict.DENY),
        (of("list assignments.starlink.dev"), Verdict.DENY),
        (of("get assignments.starlink.dev a/x"), Verdict.ALLOW_ON_SERVER),
        (of("patch assignments/status.starlink.dev a/x"), Verdict.ALLOW_ON_SERVER),
        (of("patch assignments.starlink.dev a/x"), Verdict.DENY),
        (of("delete assignments.starlink.dev a/x"), Verdict.DENY),
        (of("get servers.starlink.dev s1"), Verdict.ALLOW),
        (of("create servers.starlink.dev s1"), Verdict.ALLOW),
        (of("patch servers/status.starlink.dev s1"), Verdict.ALLOW),
        (of("patch servers.starlink.dev s1"), Verdict.ALLOW),
        (of("update servers.starlink.dev s1"), Verdict.DENY),
        (of("patch servers.starlink.dev s2"), Verdict.DENY),
        (of("get servers.starlink.dev s2"), Verdict.DENY),
        (of("get servers/scale.starlink.dev s1"), Verdict.DENY),
        (of("watch servers.starlink.dev", fields=(("metadata.name", "s1"),)), Verdict.ALLOW),
        (of("list servers.starlink.dev"), Verdict.DENY),
        (of("patch leases.coordination.k8s.io starlink-servers/s1"), Verdict.ALLOW),
        (of("patch leases.coordination.k8s.io starlink-servers/s2"), Verdict.DENY),
        (of("patch leases.coordination.k8s.io kube-system/s1"), Verdict.DENY),
        (of("create serviceaccounts/token starlink-servers/s1"), Verdict.ALLOW),
        (of("create serviceaccounts/token starlink-servers/s2"), Verdict.DENY),
        (of("get serviceaccounts starlink-servers/s1"), Verdict.DENY),
        (of("create events a/"), Verdict.ALLOW),
        (of("patch events.events.k8s.io a/e"), Verdict.ALLOW_IF_REPORTED),
        (of("update events a/e"), Verdict.DENY),
        (of("list events a/"), Verdict.DENY),
        (of("get namespaces kube-system"), Verdict.ALLOW),
        (of("get namespaces default"), Verdict.DENY),
        (of("get secrets a/x"), Verdict.ALLOW_IF_REFERRED),
        (of("get configmaps a/x"), Verdict.ALLOW_IF_REFERRED),
        (of("get secrets a/"), Verdict.DENY),
        (of("list secrets a/", fields=(("metadata.name", "x"),)), Verdict.DENY),
        (of("watch configmaps a/x"), Verdict.DENY),
        (of("update secrets a/x"), Verdict.DENY),
        (of("create certificatesigningrequests.certificates.k8s.io"), Verdict.ALLOW),
        (of("get certificatesigningrequests.certificates.k8s.io c"), Verdict.ALLOW_IF_REQUESTED),
        (of("list certificatesigningrequests.certificates.k8s.io"), Verdict.DENY),
        (of("update certificatesigningrequests/approval.certificates.k8s.io c"), Verdict.DENY),
        (of("create selfsubjectreviews.authentication.k8s.io"), Verdict.ALLOW),
        (of("create selfsubjectaccessreviews.authorization.k8s.io"), Verdict.ALLOW),
        (of("create subjectaccessreviews.authorization.k8s.io"), Verdict.DENY),
        (of("create clusterrolebindings.rbac.authorization.k8s.io"), Verdict.DENY),
        (Attributes("get", path="/api"), None),
    ],
)
def test_what_an_agent_may_do(asked: Attributes, verdict: Verdict | None) -> None:
    assert agent_access.verdict(AGENT, asked) is verdict
    assert agent_access.verdict(ALICE, asked) is None


def test_refusals_in_the_real_servers_words() -> None:
    error = forbidden(ALICE, of("patch tasks/status.starlink.dev a/t"), "RBAC: x")
    assert (error.code, error.reason, error.group, error.kind, error.name) == (
        403,
        "Forbidden",
        "starlink.dev",
        "tasks",
        "t",
    )
    assert error.message == (
        'tasks.starlink.dev "t" is forbidden: User "alice" cannot patch resource "tasks/status" '
        'in API group "starlink.dev" in the namespace "a": RBAC: x'
    )
    assert forbidden(ALICE, of("list namespaces")).message == (
        'namespaces is forbidden: User "alice" cannot list resource "namespaces" in API group "" at the cluster scope'
    )
    assert forbidden(User("<a&b>"), Attributes("get", path="/metrics")).message == (
        'forbidden: User "&lt;a&amp;b&gt;" cannot get path "/metrics"'
    )
