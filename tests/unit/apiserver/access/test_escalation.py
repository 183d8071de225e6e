"""Nobody gives more than they hold."""

from typing import Any

import msgspec
import pytest

from starlink.api.errors import StatusError
from starlink.apiserver.resources.resource import Resource
from starlink.apiserver.security.authorization.authorizer import Authorizer
from starlink.apiserver.security.authorization.escalation import check
from starlink.apiserver.security.authorization.rbac import GROUP
from starlink.apiserver.validation.compiled import StructuralSchema
from starlink.http.message import ADMIN_GROUP, User
from starlink.store.base import Key
from starlink.store.memory import MemoryStore

Obj = dict[str, Any]
ALICE, ROOT = User("alice", ("dev", "system:authenticated")), User("root", (ADMIN_GROUP,))


def resource(kind: str, group: str = GROUP) -> Resource:
    plural = kind.lower() + "s"
    schema = StructuralSchema({"type": "object"})
    return Resource(group, "v1", plural, kind.lower(), kind, not kind.startswith("Cluster"), schema)


KINDS = {kind: resource(kind) for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")}


def rule(verbs: str, group: str, resources: str, *names: str) -> Obj:
    made: Obj = {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split()}
    return {**made, "resourceNames": list(names)} if names else made


def role(name: str, *rules: Obj, namespace: str = "", gathers: list[Obj] | None = None) -> Obj:
    made: Obj = {"metadata": {"name": name, "namespace": namespace}, "rules": list(rules)}
    return made if gathers is None else {**made, "aggregationRule": {"clusterRoleSelectors": gathers}}


def binding(name: str, to: str, *, namespace: str = "", kind: str = "ClusterRole", who: str = "bob") -> Obj:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": to},
        "subjects": [{"kind": "User", "apiGroup": GROUP, "name": who}],
    }


class World:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.authorizer = Authorizer(self.store, lambda _user, _asked: None)

    async def put(self, kind: str, obj: Obj) -> None:
        key = Key(f"{GROUP}/{KINDS[kind].plural}", obj["metadata"]["namespace"], obj["metadata"]["name"])
        await self.store.put(key, msgspec.json.encode(obj), expect=0)

    async def hold(self, *rules: Obj, namespace: str = "") -> None:
        """Gives alice these rules."""
        name = f"held-{self.store.revision}"
        await self.put("ClusterRole", role(name, *rules))
        kind = "RoleBinding" if namespace else "ClusterRoleBinding"
        await self.put(kind, binding(name, name, namespace=namespace, who="alice"))

    async def refusal(self, kind: str, obj: Obj, old: Obj | None = None, user: User = ALICE) -> str:
        try:
            await check(self.authorizer, user, KINDS[kind], obj, old)
        except StatusError as error:
            return f"{error.code} {error.message}"
        return ""


@pytest.fixture
def world() -> World:
    return World()


SECRETS = rule("get", "", "secrets")
TOLD = (
    'user "alice" (groups=["dev" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n'
)


async def test_a_role_needs_its_rules(world: World) -> None:
    wanted = role("r", rule("get list", "", "secrets"), rule("get", "", "configmaps"))
    await world.hold(rule("get", "", "configmaps"))
    assert await world.refusal("ClusterRole", wanted) == (
        f'403 clusterroles.rbac.authorization.k8s.io "r" is forbidden: {TOLD}'
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}'
    )
    await world.hold(rule("*", "", "secrets"))
    assert await world.refusal("ClusterRole", wanted) == ""


async def test_what_is_missing_is_told_in_order_and_with_names_and_paths(world: World) -> None:
    paths = {"verbs": ["get"], "nonResourceURLs": ["/a", "/b"]}
    told = await world.refusal(
        "ClusterRole", role("r", rule("get", "", "secrets", "x"), paths, rule("get", "apps", "x"))
    )
    assert told.split("\n")[1:] == [
        '{APIGroups:[""], Resources:["secrets"], ResourceNames:["x"], Verbs:["get"]}',
        '{APIGroups:["apps"], Resources:["x"], Verbs:["get"]}',
        '{NonResourceURLs:["/a"], Verbs:["get"]}',
        '{NonResourceURLs:["/b"], Verbs:["get"]}',
    ]


async def test_a_role_without_a_name_yet(world: World) -> None:
    told = await world.refusal("Role", {"metadata": {"generateName": "r-", "namespace": "a"}, "rules": [SECRETS]})
    assert told.startswith("403 roles.rbac.authorization.k8s.io is forbidden: user")


async def test_what_is_held_in_a_namespace_is_given_there_only(world: World) -> None:
    await world.hold(SECRETS, namespace="a")
    assert await world.refusal("Role", role("r", SECRETS, namespace="a")) == ""
    assert await world.refusal("Role", role("r", SECRETS, namespace="b"))
    assert await world.refusal("ClusterRole", role("r", SECRETS))


async def test_a_missing_role_is_told_too(world: World) -> None:
    await world.put("ClusterRoleBinding", binding("b", "gone", who="alice"))
    told = await world.refusal("ClusterRole", role("r", SECRETS))
    assert told.endswith('; resolution errors: [clusterroles.rbac.authorization.k8s.io "gone" not found]')


async def test_escalate_allows_it(world: World) -> None:
    await world.hold(rule("escalate", GROUP, "clusterroles", "r"))
    old = role("r")
    assert await world.refusal("ClusterRole", role("r", SECRETS), old) == ""
    assert await world.refusal("ClusterRole", role("r", SECRETS)), "a create names no role"
    assert await world.refusal("ClusterRole", role("other", SECRETS), role("other"))
    await world.hold(rule("escalate", GROUP, "roles"))
    assert await world.refusal("Role", role("r", SECRETS, namespace="a")) == ""
    assert await world.refusal("ClusterRole", role("new", SECRETS))


async def test_administrators_are_free(world: World) -> None:
    assert await world.refusal("ClusterRole", role("r", rule("*", "*", "*")), user=ROOT) == ""
    assert await world.refusal("ClusterRoleBinding", binding("b", "not-yet"), user=ROOT) == ""


async def test_aggregation_needs_everything(world: World) -> None:
    gathers: list[Obj] = [{"matchLabels": {"a": "b"}}]
    refused = (
        '403 clusterroles.rbac.authorization.k8s.io "r" is forbidden: '
        "must have cluster-admin privileges to use the aggregationRule"
    )
    assert await world.refusal("ClusterRole", role("r", gathers=gathers)) == refused
    assert await world.refusal("ClusterRole", role("r"), role("r", gathers=gathers)) == refused
    assert await world.refusal("ClusterRole", role("r", gathers=[])) == ""
    await world.hold(rule("*", "*", "*"), {"verbs": ["*"], "nonResourceURLs": ["*"]})
    assert await world.refusal("ClusterRole", role("r", gathers=gathers)) == ""


async def test_what_only_the_collector_changes_is_free(world: World) -> None:
    old = role("r", SECRETS)
    old["metadata"]["finalizers"] = ["x"]
    new = role("r", SECRETS)
    assert await world.refusal("ClusterRole", new, old) == ""
    new["metadata"]["labels"] = {"a": "b"}
    assert await world.refusal("ClusterRole", new, old)


async def test_a_binding_needs_the_roles_rules(world: World) -> None:
    await world.put("ClusterRole", role("secret-reader", SECRETS))
    await world.put("Role", role("local", SECRETS, namespace="a"))
    refused = [
        await world.refusal("ClusterRoleBinding", binding("b", "secret-reader")),
        await world.refusal("RoleBinding", binding("b", "secret-reader", namespace="a")),
        await world.refusal("RoleBinding", binding("b", "local", namespace="a", kind="Role")),
    ]
    missing = f'"b" is forbidden: {TOLD}' + '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}'
    assert refused == [
        f"403 clusterrolebindings.{GROUP} {missing}",
        f"403 rolebindings.{GROUP} {missing}",
        f"403 rolebindings.{GROUP} {missing}",
    ]
    await world.hold(SECRETS, namespace="a")
    assert await world.refusal("RoleBinding", binding("b", "secret-reader", namespace="a")) == ""
    assert await world.refusal("RoleBinding", binding("b", "local", namespace="a", kind="Role")) == ""
    assert await world.refusal("ClusterRoleBinding", binding("b", "secret-reader"))


async def test_a_binding_to_an_aggregated_role_needs_what_it_gathers(world: World) -> None:
    gathers: list[Obj] = [{"matchLabels": {"to": "top"}}]
    await world.put("ClusterRole", role("top", gathers=gathers))
    assert await world.refusal("ClusterRoleBinding", binding("b", "top")) == ""
    part = role("part", SECRETS)
    part["metadata"]["labels"] = {"to": "top"}
    await world.put("ClusterRole", part)
    assert '"secrets"' in await world.refusal("ClusterRoleBinding", binding("b", "top"))


async def test_bind_allows_it(world: World) -> None:
    await world.put("ClusterRole", role("secret-reader", SECRETS))
    await world.put("ClusterRole", role("other", SECRETS))
    await world.hold(rule("bind", GROUP, "clusterroles", "secret-reader"), namespace="a")
    assert await world.refusal("RoleBinding", binding("b", "secret-reader", namespace="a")) == ""
    assert await world.refusal("RoleBinding", binding("b", "other", namespace="a"))
    assert await world.refusal("RoleBinding", binding("b", "secret-reader", namespace="b"))
    assert await world.refusal("ClusterRoleBinding", binding("b", "secret-reader"))


async def test_a_binding_to_no_role(world: World) -> None:
    told = await world.refusal("RoleBinding", binding("b", "gone", namespace="a", kind="Role"))
    assert told == '404 roles.rbac.authorization.k8s.io "gone" not found'


async def test_the_role_ref_stays(world: World) -> None:
    old, new = binding("b", "x"), binding("b", "y")
    assert await world.refusal("ClusterRoleBinding", new, old, ROOT) == (
        f'422 ClusterRoleBinding.{GROUP} "b" is invalid: roleRef: Invalid value: '
        f'rbac.RoleRef{{APIGroup:"{GROUP}", Kind:"ClusterRole", Name:"y"}}: cannot change roleRef'
    )
    del new["roleRef"]["apiGroup"]
    new["roleRef"]["name"] = "x"
    assert await world.refusal("ClusterRoleBinding", new, old, ROOT) == ""


async def test_other_kinds_pass(world: World) -> None:
    await check(world.authorizer, ALICE, resource("Role", "example.com"), role("r", SECRETS), None)
