"""Who may do what a request asks, whether or not it is served; and as whom it is done."""

import msgspec
import pytest
from msgspec.structs import replace
from tests.unit.apiserver.http.parsers import parser

from starlink.api.errors import StatusError
from starlink.apiserver.kinds.builtin import builtin_resources
from starlink.apiserver.requests.guard import Guard
from starlink.apiserver.requests.route import attributes
from starlink.apiserver.resources.resource import Registry
from starlink.apiserver.security.authorization.impersonation import Impersonation, is_wanted, read
from starlink.apiserver.security.authorization.rbac import GROUP, Attributes
from starlink.http.incoming import Incoming
from starlink.http.message import ANONYMOUS, Request, User
from starlink.store.base import Key
from starlink.store.memory import MemoryStore

ADMIN = User("admin", ("system:masters",))
ROBOT = User("robot", ("system:authenticated",))
RULES = [
    {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"], "resourceNames": ["jane"]},
    {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["groups"], "resourceNames": ["a,b", "c"]},
    {"verbs": ["impersonate"], "apiGroups": ["authentication.k8s.io"], "resources": ["uids"], "resourceNames": ["7"]},
    {
        "verbs": ["impersonate"],
        "apiGroups": ["authentication.k8s.io"],
        "resources": ["userextras/scopes"],
        "resourceNames": ["view", "edit"],
    },
]


@pytest.fixture
async def guard() -> Guard:
    store = MemoryStore()
    binding = {
        "roleRef": {"kind": "ClusterRole", "name": "r"},
        "subjects": [{"kind": "User", "apiGroup": GROUP, "name": "robot"}],
    }
    role = {"metadata": {"name": "r"}, "rules": RULES}
    for plural, body in (("clusterroles", role), ("clusterrolebindings", binding)):
        await store.put(Key(f"{GROUP}/{plural}", "", "r"), msgspec.json.encode(body), expect=0)
    return Guard(store, Registry(builtin_resources()))


# What is not served

SERVERS = "/apis/starlink.dev/v1alpha1/servers"


@pytest.mark.parametrize(
    ("method", "path", "asked"),
    [
        ("GET", "/api/v1/nothings", Attributes("list", "", "v1", "nothings")),
        ("HEAD", "/api/v1/nothings", Attributes("list", "", "v1", "nothings")),
        ("GET", "/api/v1/nothings/x", Attributes("get", "", "v1", "nothings", name="x")),
        ("POST", "/api/v1/nothings", Attributes("create", "", "v1", "nothings")),
        ("POST", "/api/v1/nothings/x", Attributes("create", "", "v1", "nothings", name="x")),
        ("PUT", "/api/v1/nothings", Attributes("update", "", "v1", "nothings")),
        ("DELETE", "/api/v1/nothings", Attributes("deletecollection", "", "v1", "nothings")),
        ("DELETE", "/api/v1/nothings/x", Attributes("delete", "", "v1", "nothings", name="x")),
        ("OPTIONS", "/api/v1/nothings", Attributes("", "", "v1", "nothings")),
        ("GET", "/api/v1/namespaces/n/nothings", Attributes("list", "", "v1", "nothings", namespace="n")),
        ("GET", "/api/v1/namespaces/n", Attributes("get", "", "v1", "namespaces", namespace="n", name="n")),
        ("GET", "/api/v1/namespaces/n/status", Attributes("get", "", "v1", "namespaces", "status", "n", "n")),
        ("PATCH", "/apis/g/v1/namespaces/n/things/x/part", Attributes("patch", "g", "v1", "things", "part", "n", "x")),
        ("GET", "/apis/g/v1/things/x/part/more", Attributes("get", "g", "v1", "things", "part", name="x")),
        ("GET", "/apis/g/v1", Attributes("get", path="/apis/g/v1")),
        ("GET", "/api/v1/", Attributes("get", path="/api/v1/")),
        ("HEAD", "/nothing", Attributes("get", path="/nothing")),
        ("POST", "/", Attributes("post", path="/")),
    ],
)
def test_what_a_url_asks(method: str, path: str, asked: Attributes) -> None:
    assert attributes(Request(method, path)) == asked


def test_a_watch_is_no_list() -> None:
    request = Request("GET", "/api/v1/nothings", {"watch": "1"})
    assert attributes(request).verb == "watch"


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "/api/v1/namespaces/n/nothings", 'nothings is forbidden: User "robot" cannot list resource "nothings" in API group "" in the namespace "n"'),
        ("PUT", "/apis/g/v1/things/x", 'things.g "x" is forbidden: User "robot" cannot update resource "things" in API group "g" at the cluster scope'),
        ("DELETE", "/api/v1/nodes", 'nodes is forbidden: User "robot" cannot deletecollection resource "nodes" in API group "" at the cluster scope'),
        ("GET", "/nothing", 'forbidden: User "robot" cannot get path "/nothing"'),
    ],
)  # fmt: skip
async def test_who_may_not_ask_is_not_told_what_is_there(guard: Guard, method: str, path: str, message: str) -> None:
    with pytest.raises(StatusError) as refused:
        await guard.check_unserved(Request(method, path, user=ROBOT))
    assert (refused.value.code, refused.value.message) == (403, message)
    await guard.check_unserved(Request(method, path, user=ADMIN))


async def test_an_agent_may_ask_for_nothing_unknown(guard: Guard) -> None:
    agent = User("system:serviceaccount:starlink-servers:s1", ("system:authenticated",))
    for path in ("/api/v1/nothings", f"{SERVERS}/s2/nothing", "/apis/starlink.dev/v1/servers/s2", "/apis/g/v1/servers"):
        with pytest.raises(StatusError) as refused:
            await guard.check_unserved(Request("GET", path, user=agent))
        assert refused.value.code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", SERVERS), ("POST", SERVERS), ("GET", "/apis/starlink.dev/v1alpha1/assignments"), ("GET", f"{SERVERS}/s1")],
)
async def test_an_agent_whose_kinds_are_away_is_told_so(guard: Guard, method: str, path: str) -> None:
    """While CRDs are made anew: a 403 would have it give up for good."""
    request = Request(method, path, user=User("system:serviceaccount:starlink-servers:s1", ("system:authenticated",)))
    guard.check_head(request, None)
    await guard.check_unserved(request)
    with pytest.raises(StatusError):
        await guard.check_unserved(replace(request, user=ROBOT))


# Impersonation


def parsed(*lines: str) -> Incoming:
    """The request as the parser gives it."""
    made = parser(1)
    made.feed("\r\n".join(["GET / HTTP/1.1", "Host: x", *lines, "", ""]).encode())
    (found,) = made.ready
    assert isinstance(found, Incoming), found
    return found


def wanted(*lines: str) -> Impersonation | None:
    return read(parsed(*lines).headers)


def test_plain_requests_want_nothing() -> None:
    for lines in ((), ("Accept: impersonate-user",), ("Impersonate-User: ",)):
        assert wanted(*lines) is None
    assert not is_wanted(parsed("Accept: x", "User-Agent: impersonate-user").headers)


def test_all_that_can_be_wanted() -> None:
    found = wanted(
        "Impersonate-User: jane", "Impersonate-Group: a,b", "impersonate-group: c", "Impersonate-Uid: 7",
        "Impersonate-Extra-Scopes: view", "Impersonate-Extra-scopes: edit, all",
        "Impersonate-Extra-Acme.com%2Fproject: x", "Impersonate-Extra-50%: y",
    )  # fmt: skip
    assert found is not None
    assert found == Impersonation(
        "jane", ("a,b", "c"), "7", (("scopes", ("view", "edit, all")), ("acme.com/project", ("x",)), ("50%", ("y",)))
    )
    assert found.user() == User("jane", ("a,b", "c", "system:authenticated"), "7", found.extra)
    assert hash(found.user())
    group = "authentication.k8s.io"
    assert list(found.needed()) == [
        Attributes("impersonate", resource="users", name="jane"),
        Attributes("impersonate", resource="groups", name="a,b"),
        Attributes("impersonate", resource="groups", name="c"),
        Attributes("impersonate", group, "v1", "userextras", "scopes", name="view"),
        Attributes("impersonate", group, "v1", "userextras", "scopes", name="edit, all"),
        Attributes("impersonate", group, "v1", "userextras", "acme.com/project", name="x"),
        Attributes("impersonate", group, "v1", "userextras", "50%", name="y"),
        Attributes("impersonate", group, "v1", "uids", name="7"),
    ]


def test_names_are_utf_8() -> None:
    found = wanted("Impersonate-User: jané")
    assert found is not None and found.name == "jané"
    assert read({"impersonate-user": "jan\xe9"}) == Impersonation("jan\xe9")


def test_other_headers_are_joined_as_ever() -> None:
    assert parsed("Accept: a", "Accept: b").headers["accept"] == "a,b"


@pytest.mark.parametrize(
    ("name", "groups", "has"),
    [
        ("jane", (), ("system:authenticated",)),
        ("jane", ("system:authenticated", "a"), ("system:authenticated", "a")),
        ("jane", ("system:unauthenticated",), ("system:unauthenticated",)),
        ("system:anonymous", (), ("system:unauthenticated",)),
        ("system:anonymous", ("system:unauthenticated",), ("system:unauthenticated",)),
        ("system:serviceaccount:n:a", (), ("system:serviceaccounts", "system:serviceaccounts:n", "system:authenticated")),
        ("system:serviceaccount:n:a", ("only",), ("only", "system:authenticated")),
        ("system:serviceaccount:n", (), ("system:authenticated",)),
    ],
)  # fmt: skip
def test_groups_that_follow(name: str, groups: tuple[str, ...], has: tuple[str, ...]) -> None:
    assert Impersonation(name, groups).user().groups == has


@pytest.mark.parametrize(
    ("line", "what"),
    [("Group: a", "groups a"), ("Uid: 7", "uid 7"), ("Extra-Scopes: view", "extra scopes"), ("Group: ", "groups ")],
)
async def test_somebody_must_be_meant(guard: Guard, line: str, what: str) -> None:
    request = Request("GET", "/", headers=parsed(f"Impersonate-{line}").headers, user=ADMIN)
    with pytest.raises(StatusError) as refused:
        await guard.acting(request)
    assert (refused.value.code, refused.value.message) == (400, f"requested {what} without impersonating a user")


async def test_who_may_impersonate_acts(guard: Guard) -> None:
    lines = ("User: jane", "Group: a,b", "Group: c", "Uid: 7", "Extra-Scopes: view", "Extra-Scopes: edit")
    request = Request("GET", "/", headers=parsed(*(f"Impersonate-{line}" for line in lines)).headers, user=ROBOT)
    acting = await guard.acting(request)
    assert acting.sender is ROBOT
    assert acting.user.info() == {
        "username": "jane",
        "uid": "7",
        "groups": ["a,b", "c", "system:authenticated"],
        "extra": {"scopes": ["view", "edit"]},
    }
    plain = Request("GET", "/", user=ROBOT)
    assert await guard.acting(plain) is plain


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Group: a", 'groups "a" is forbidden: User "robot" cannot impersonate resource "groups" in API group "" at the cluster scope'),
        ("Group: system:masters", 'groups "system:masters" is forbidden: User "robot" cannot impersonate resource "groups" in API group "" at the cluster scope'),
        ("Uid: 8", 'uids.authentication.k8s.io "8" is forbidden: User "robot" cannot impersonate resource "uids" in API group "authentication.k8s.io" at the cluster scope'),
        ("Extra-Scopes: all", 'userextras.authentication.k8s.io "all" is forbidden: User "robot" cannot impersonate resource "userextras/scopes" in API group "authentication.k8s.io" at the cluster scope'),
        ("Extra-Other: view", 'userextras.authentication.k8s.io "view" is forbidden: User "robot" cannot impersonate resource "userextras/other" in API group "authentication.k8s.io" at the cluster scope'),
    ],
)  # fmt: skip
async def test_each_part_must_be_allowed(guard: Guard, line: str, message: str) -> None:
    headers = parsed("Impersonate-User: jane", f"Impersonate-{line}").headers
    with pytest.raises(StatusError) as refused:
        await guard.acting(Request("GET", "/", headers=headers, user=ROBOT))
    assert (refused.value.code, refused.value.message) == (403, message)


async def test_nobody_impersonates_unasked(guard: Guard) -> None:
    with pytest.raises(StatusError) as refused:
        await guard.acting(Request("GET", "/", headers={"impersonate-user": "jane"}, user=ANONYMOUS))
    assert refused.value.code == 403
