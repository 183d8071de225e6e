"""Reviews: may somebody do something, and who is asking.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from collections.abc import Callable
from typing import Any

import pytest
from tests.conformance.clients import REVIEWS, Grants, grant, rule, subject, unique, who_am_i
from tests.conformance.conftest import Http, causes

__all__ = ["grant"]

As = Callable[..., Http]
LISTING = {"verb": "list", "resource": "configmaps"}


def asked(kind: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}


def test_a_subject_access_review_says_why(http: Http, namespace: str, grant: Grants) -> None:
    user = unique("user")
    name = grant(namespace, subject(user), rule(["list"], ["configmaps"]))
    body = asked("SubjectAccessReview", user=user, resourceAttributes={**LISTING, "namespace": namespace})
    answer = http.post(f"{REVIEWS}/subjectaccessreviews", body).expect(201)
    assert answer["kind"] == "SubjectAccessReview" and answer["spec"] == body["spec"]
    assert answer["status"]["allowed"] is True
    why = f'RBAC: allowed by RoleBinding "{name}/{namespace}" of Role "{name}" to User "{user}"'
    assert answer["status"]["reason"] == why


def test_a_subject_access_review_of_a_group(http: Http) -> None:
    body = asked("SubjectAccessReview", groups=["system:masters"], resourceAttributes={"verb": "*", "resource": "*"})
    assert http.post(f"{REVIEWS}/subjectaccessreviews", body).expect(201)["status"]["allowed"] is True


def test_nothing_is_allowed_to_a_stranger(http: Http) -> None:
    body = asked("SubjectAccessReview", user=unique("user"), resourceAttributes=LISTING)
    assert http.post(f"{REVIEWS}/subjectaccessreviews", body).expect(201)["status"]["allowed"] is False


BAD_REVIEWS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing is asked": ({"user": "a"}, "spec.resourceAttributes"),
    "two things are asked": (
        {"user": "a", "resourceAttributes": LISTING, "nonResourceAttributes": {"path": "/", "verb": "get"}},
        "spec.nonResourceAttributes",
    ),
    "of nobody": ({"resourceAttributes": LISTING}, "spec.user"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_REVIEWS)
def test_bad_reviews(http: Http, case: str) -> None:
    spec, field = BAD_REVIEWS[case]
    refused = http.post(f"{REVIEWS}/subjectaccessreviews", asked("SubjectAccessReview", **spec)).fails(422, "Invalid")
    assert field in causes(refused)


def test_a_local_review_is_of_its_namespace(http: Http, namespace: str, grant: Grants) -> None:
    user = unique("user")
    grant(namespace, subject(user), rule(["list"], ["configmaps"]))
    path = f"{REVIEWS}/namespaces/{namespace}/localsubjectaccessreviews"

    def body(where: str) -> dict[str, Any]:
        spec = {"user": user, "resourceAttributes": {**LISTING, "namespace": where}}
        return {**asked("LocalSubjectAccessReview", **spec), "metadata": {"namespace": namespace}}

    assert http.post(path, body(namespace)).expect(201)["status"]["allowed"] is True
    refused = http.post(path, body("default")).fails(422, "Invalid")
    assert "spec.resourceAttributes.namespace" in causes(refused)


def test_a_local_review_may_be_given_to_others(http_as: As, namespace: str, grant: Grants) -> None:
    user = unique("user")
    grant(namespace, subject(user), rule(["create"], ["localsubjectaccessreviews"], "authorization.k8s.io"))
    spec = {"user": "jane", "resourceAttributes": {**LISTING, "namespace": namespace}}
    body = {**asked("LocalSubjectAccessReview", **spec), "metadata": {"namespace": namespace}}
    http_as(user).post(f"{REVIEWS}/namespaces/{namespace}/localsubjectaccessreviews", body).expect(201)
    http_as(user).post(f"{REVIEWS}/subjectaccessreviews", asked("SubjectAccessReview", **spec)).fails(403, "Forbidden")


def test_everyone_may_ask_of_themselves(http_as: As, namespace: str, grant: Grants) -> None:
    user = unique("user")
    grant(namespace, subject(user), rule(["list"], ["configmaps"]))

    def allowed(**attributes: str) -> bool:
        body = asked("SelfSubjectAccessReview", resourceAttributes={**LISTING, **attributes})
        return bool(http_as(user).post(f"{REVIEWS}/selfsubjectaccessreviews", body).expect(201)["status"]["allowed"])

    assert allowed(namespace=namespace)
    assert not allowed(namespace="default") and not allowed() and not allowed(namespace=namespace, verb="get")


def test_paths_are_asked_too(http_as: As) -> None:
    def allowed(path: str) -> bool:
        body = asked("SelfSubjectAccessReview", nonResourceAttributes={"verb": "get", "path": path})
        answer = http_as(unique("user")).post(f"{REVIEWS}/selfsubjectaccessreviews", body)
        return bool(answer.expect(201)["status"]["allowed"])

    assert allowed("/version") and allowed("/apis/apps") and not allowed("/metrics")


def test_a_rules_review(http_as: As, namespace: str, grant: Grants) -> None:
    user = unique("user")
    grant(namespace, subject(user), rule(["list"], ["configmaps"], names=["a"]))
    body = asked("SelfSubjectRulesReview", namespace=namespace)
    status = http_as(user).post(f"{REVIEWS}/selfsubjectrulesreviews", body).expect(201)["status"]
    given = {"verbs": ["list"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"]}
    assert given in status["resourceRules"]
    reviews = [one for one in status["resourceRules"] if "selfsubjectaccessreviews" in one["resources"]]
    assert reviews and reviews[0]["verbs"] == ["create"]
    assert any("/version" in one["nonResourceURLs"] for one in status["nonResourceRules"])


def test_a_rules_review_needs_a_namespace(http: Http) -> None:
    refused = http.post(f"{REVIEWS}/selfsubjectrulesreviews", asked("SelfSubjectRulesReview")).fails(400, "BadRequest")
    assert "no namespace on request" in refused["message"]


def test_a_review_of_oneself(http_as: As) -> None:
    user, group = unique("user"), unique("group")
    info = who_am_i(http_as(user, [group]))
    assert info["username"] == user
    assert info["groups"] == [group, "system:authenticated"]


def test_reviews_are_not_kept(http: Http) -> None:
    for plural in ("subjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews"):
        http.get(f"{REVIEWS}/{plural}").fails(405, "MethodNotAllowed")
