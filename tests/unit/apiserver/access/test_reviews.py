"""Reviews: what they answer and what they refuse."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from starlink.api import errors
from starlink.api.errors import StatusError
from starlink.apiserver.security.authorization import agent_access, reviews
from starlink.apiserver.security.authorization.agent_access import Verdict
from starlink.apiserver.security.authorization.authorizer import Authorizer
from starlink.apiserver.security.authorization.rbac import GROUP, Attributes, Decision
from starlink.http.message import User
from starlink.store.base import Key
from starlink.store.memory import MemoryStore

ALICE = User("alice", ("dev",), "u1")
AGENT = User("system:serviceaccount:starlink-servers:s1", ("system:authenticated",))
LIST = {"verb": "list", "group": "starlink.dev", "resource": "tasks", "namespace": "a"}
REASON = 'RBAC: allowed by RoleBinding "b/a" of ClusterRole "reader" to Group "dev"'
RULES = [
    {"verbs": ["list"], "apiGroups": ["starlink.dev"], "resources": ["tasks"]},
    {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["s"]},
    {"verbs": ["get"], "nonResourceURLs": ["/metrics"]},
]


def agents(user: User, asked: Attributes) -> Decision | None:
    verdict = agent_access.verdict(user, asked)
    if verdict is Verdict.ALLOW_ON_SERVER:
        raise errors.not_found(asked.group, asked.resource, asked.name)
    return None if verdict is None else Decision(verdict is Verdict.ALLOW)


@pytest.fixture
async def authorizer() -> Authorizer:
    store = MemoryStore()
    subjects = [{"kind": "Group", "apiGroup": GROUP, "name": name} for name in ("dev", "system:authenticated")]

    async def put(plural: str, namespace: str, name: str, **body: Any) -> None:
        body["metadata"] = {"name": name, "namespace": namespace}
        await store.put(Key(f"{GROUP}/{plural}", namespace, name), msgspec.json.encode(body), expect=0)

    await put("clusterroles", "", "reader", rules=RULES)
    await put("rolebindings", "a", "b", subjects=subjects, roleRef={"kind": "ClusterRole", "name": "reader"})
    await put("rolebindings", "a", "c", subjects=subjects[:1], roleRef={"kind": "Role", "name": "gone"})
    return Authorizer(store, agents)


def review(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "Review", "spec": spec}


def rules_review(obj: dict[str, Any], user: User, authorizer: Authorizer) -> dict[str, Any]:
    return reviews.self_subject_rules_review(obj, user, reviews.asked_grants(obj, user, authorizer).grants)


async def test_one_asks_for_oneself(authorizer: Authorizer) -> None:
    asked = review(resourceAttributes=LIST)
    answered = await reviews.self_subject_access_review(asked, ALICE, authorizer)
    assert answered == {**asked, "metadata": {"creationTimestamp": None}, "status": {"allowed": True, "reason": REASON}}
    assert "status" not in asked
    other = review(resourceAttributes={**LIST, "verb": "create"})
    assert (await reviews.self_subject_access_review(other, ALICE, authorizer))["status"] == {
        "allowed": False,
        "reason": 'RBAC: role.rbac.authorization.k8s.io "gone" not found',
    }


async def test_paths_and_empty_questions(authorizer: Authorizer) -> None:
    questions: list[dict[str, Any]] = [
        {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}},
        {"resourceAttributes": {}},
    ]
    for spec in questions:
        status = (await reviews.self_subject_access_review(review(**spec), User("zoe"), authorizer))["status"]
        assert status == {"allowed": False}


async def test_one_asks_for_another(authorizer: Authorizer) -> None:
    for spec, allowed in (
        ({"user": "bob"}, False),
        ({"user": "bob", "groups": ["dev"]}, True),
        ({"groups": ["dev"]}, True),
        ({"user": "root", "groups": ["system:masters"]}, True),
    ):
        asked = review(resourceAttributes=LIST, **spec)
        assert (await reviews.subject_access_review(asked, authorizer))["status"]["allowed"] is allowed
        local = await reviews.local_subject_access_review(asked, "a", authorizer)
        assert local["status"]["allowed"] is allowed and local["metadata"]["namespace"] == "a"


ONE_OF = 'spec.resourceAttributes: Invalid value: "null": exactly one of nonResourceAttributes or resourceAttributes must be specified'
PATH = {"path": "/x", "verb": "get"}
GO_PATH = 'authorization.NonResourceAttributes{Path:"/x", Verb:"get"}'
BOTH = (
    f"spec.nonResourceAttributes: Invalid value: {GO_PATH}: cannot be specified in combination with resourceAttributes"
)
NOBODY = 'spec.user: Invalid value: "": at least one of user or group must be specified'
SELECTOR = "spec.resourceAttributes.fieldSelector"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({}, [ONE_OF]),
        ({"resourceAttributes": LIST, "nonResourceAttributes": PATH}, [BOTH]),
        (
            {"resourceAttributes": {**LIST, "fieldSelector": {}}},
            [
                f"{SELECTOR}.requirements: Required value: when {SELECTOR} is specified, requirements or rawSelector is required"
            ],
        ),
        (
            {"resourceAttributes": {**LIST, "fieldSelector": {"rawSelector": "a=b", "requirements": [{}]}}},
            [f'{SELECTOR}.rawSelector: Invalid value: "a=b": may not specified at the same time as requirements'],
        ),
    ],
)
async def test_bad_questions(authorizer: Authorizer, spec: dict[str, Any], told: list[str]) -> None:
    with pytest.raises(StatusError) as own:
        await reviews.self_subject_access_review(review(**spec), ALICE, authorizer)
    assert own.value.code == 422
    assert own.value.message == f'.authorization.k8s.io "" is invalid: {told[0]}'
    with pytest.raises(StatusError) as other:
        await reviews.subject_access_review(review(**spec), authorizer)
    assert [f"{cause.field}: {cause.message}" for cause in other.value.causes] == [*told, NOBODY]


async def test_reviews_have_no_metadata(authorizer: Authorizer) -> None:
    asked = {**review(resourceAttributes=LIST), "metadata": {"name": "x", "creationTimestamp": None}}
    with pytest.raises(StatusError, match=r'metadata: Invalid value: {"name":"x"}: must be empty$'):
        await reviews.self_subject_access_review(asked, ALICE, authorizer)
    with pytest.raises(StatusError, match="must be empty except for namespace"):
        await reviews.local_subject_access_review({**asked, "spec": {**asked["spec"], "user": "bob"}}, "a", authorizer)


async def test_a_local_review_keeps_to_its_namespace(authorizer: Authorizer) -> None:
    elsewhere = review(resourceAttributes={**LIST, "namespace": "b"}, user="bob")
    with pytest.raises(StatusError) as caught:
        await reviews.local_subject_access_review(elsewhere, "a", authorizer)
    told = 'spec.resourceAttributes.namespace: Invalid value: "b": must match metadata.namespace'
    assert caught.value.code == 422 and caught.value.message.endswith(told)
    with pytest.raises(StatusError, match="disallowed on this kind of request"):
        await reviews.local_subject_access_review(review(nonResourceAttributes=PATH, user="bob"), "a", authorizer)
    with pytest.raises(StatusError) as caught:
        await reviews.local_subject_access_review({**elsewhere, "metadata": {"namespace": "b"}}, "a", authorizer)
    assert (caught.value.code, caught.value.message) == (
        400,
        "the namespace of the provided object does not match the namespace sent on the request",
    )


async def test_what_an_agent_may_do(authorizer: Authorizer) -> None:
    async def status(**asked: Any) -> Any:
        spec = {"group": "starlink.dev", "resource": "assignments", **asked}
        return (await reviews.self_subject_access_review(review(resourceAttributes=spec), AGENT, authorizer))["status"]

    one = {"requirements": [{"key": "spec.server", "operator": "In", "values": ["s1"]}]}
    assert (await status(verb="list", fieldSelector=one))["allowed"]
    assert (await status(verb="list", fieldSelector={"rawSelector": "spec.server==s1,metadata.name!=x"}))["allowed"]
    assert not (await status(verb="list", fieldSelector={"rawSelector": "spec.server!=s1"}))["allowed"]
    assert not (await status(verb="list"))["allowed"]
    assert await status(verb="get", name="x") == {
        "allowed": False,
        "evaluationError": 'assignments.starlink.dev "x" not found',
    }


def test_rules_are_listed(authorizer: Authorizer) -> None:
    answered = rules_review(review(namespace="a"), ALICE, authorizer)
    assert answered["spec"] == {}
    assert answered["status"] == {
        "resourceRules": RULES[:2],
        "nonResourceRules": RULES[2:],
        "incomplete": False,
        "evaluationError": 'role.rbac.authorization.k8s.io "gone" not found',
    }
    assert rules_review(review(namespace="b"), ALICE, authorizer)["status"] == {
        "resourceRules": [],
        "nonResourceRules": [],
        "incomplete": False,
    }
    with pytest.raises(StatusError) as caught:
        rules_review(review(), ALICE, authorizer)
    assert (caught.value.code, caught.value.message) == (400, "no namespace on request")


def test_an_agents_rules_can_not_be_listed(authorizer: Authorizer) -> None:
    status = rules_review(review(namespace="a"), AGENT, authorizer)["status"]
    assert status["incomplete"] and status["resourceRules"] == []
    assert status["evaluationError"] == "node authorizer does not support user rule resolution"


def test_who_one_is() -> None:
    answered = reviews.self_subject_review({"kind": "SelfSubjectReview"}, ALICE, 0.0)
    assert answered["metadata"] == {"creationTimestamp": "1970-01-01T00:00:00Z"}
    assert answered["status"] == {"userInfo": {"username": "alice", "uid": "u1", "groups": ["dev"]}}
    more = User("bob", extra=(("scopes", ("view", "edit")),))
    answered = reviews.self_subject_review({"kind": "SelfSubjectReview"}, more, 0.0)
    assert answered["status"] == {"userInfo": {"username": "bob", "extra": {"scopes": ["view", "edit"]}}}


def authenticate(token: str, audiences: Sequence[str]) -> tuple[User, tuple[str, ...]]:
    if token != "good":
        raise errors.unauthorized("Unauthorized: invalid bearer token: it has expired; ask for a new one")
    if "https://here" not in audiences:
        raise errors.unauthorized("Unauthorized: invalid bearer token: it is for others")
    return ALICE, ("https://here",)


def test_whose_token_it_is() -> None:
    def status(**spec: Any) -> Any:
        return reviews.token_review(review(**spec), authenticate, ("https://here",))["status"]

    user = {"username": "alice", "uid": "u1", "groups": ["dev"]}
    good = {"authenticated": True, "user": user, "audiences": ["https://here"]}
    assert status(token="good") == good
    assert status(token="good", audiences=[]) == good
    assert status(token="good", audiences=["x", "https://here"]) == good
    assert status(token="bad") == {
        "user": {},
        "error": "[invalid bearer token, it has expired; ask for a new one]",
    }
    assert status(token="good", audiences=["vault"]) == {
        "user": {},
        "error": "[invalid bearer token, it is for others]",
    }
    with pytest.raises(StatusError) as caught:
        status()
    assert (caught.value.code, caught.value.message) == (400, "token is required for TokenReview in authentication")
