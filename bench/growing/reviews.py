"""Access reviews, and roles. Pure."""

from collections.abc import Callable
from typing import Any

from bench.growing.case import REVIEWS, ROLES, Case, Obj, creation, named, send, words
from bench.growing.kind import WRITER
from starlink.http.message import Request


def _review(kind: str, spec: Callable[[int], Any], plural: str) -> Callable[[int], Request]:
    return lambda n: send(
        "POST", f"{REVIEWS}/{plural}", {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec(n)}
    )


def _question(n: int, **more: Any) -> Obj:
    return {"user": "u", "resourceAttributes": {"resource": "pods", "verb": "get", "namespace": "default", **more}}


_REQUIREMENT = {"key": "a", "operator": "In", "values": ["b"]}

CASES: tuple[Case, ...] = (
    Case(
        "review: n groups",
        _review("SubjectAccessReview", lambda n: {**_question(n), "groups": words(n)}, "subjectaccessreviews"),
        4_000,
    ),
    Case(
        "review: n extras",
        _review(
            "SubjectAccessReview",
            lambda n: {**_question(n), "extra": {word: ["a"] for word in words(n)}},
            "subjectaccessreviews",
        ),
        4_000,
    ),
    Case(
        "review: n field requirements",
        _review(
            "SubjectAccessReview",
            lambda n: _question(
                n, fieldSelector={"requirements": [{"key": "a", "operator": "In", "values": ["b"]}] * n}
            ),
            "subjectaccessreviews",
        ),
        1_000,
    ),
    Case(
        "review: a raw selector of n terms",
        _review(
            "SubjectAccessReview",
            lambda n: _question(n, fieldSelector={"rawSelector": "a=b," * n}),
            "subjectaccessreviews",
        ),
        4_000,
    ),
    Case(
        "review: n audiences",
        lambda n: send(
            "POST",
            "/apis/authentication.k8s.io/v1/tokenreviews",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenReview",
                "spec": {"token": "a.b.c", "audiences": words(n)},
            },
        ),
        4_000,
    ),
    Case(
        "review: a token n long",
        lambda n: send(
            "POST",
            "/apis/authentication.k8s.io/v1/tokenreviews",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "a." * n}},
        ),
        40_000,
    ),
    creation(
        "role: n rules",
        ROLES,
        lambda n: named(
            "Role",
            "rbac.authorization.k8s.io/v1",
            rules=[{"apiGroups": [f"g{i}"], "resources": ["x"], "verbs": ["get"]} for i in range(n)],
        ),
        500,
        user=WRITER,
    ),
    creation(
        "role: n of each in one rule",
        ROLES,
        lambda n: named(
            "Role",
            "rbac.authorization.k8s.io/v1",
            rules=[{"apiGroups": words(n), "resources": words(n), "verbs": words(n), "resourceNames": words(n)}],
        ),
        4,
        user=WRITER,
    ),
    creation(
        "role: n rules with URLs",
        ROLES,
        lambda n: named(
            "Role", "rbac.authorization.k8s.io/v1", rules=[{"nonResourceURLs": words(n, "/"), "verbs": ["get"]}]
        ),
        2_000,
    ),
)
