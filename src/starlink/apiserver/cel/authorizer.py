"""CEL's authorizer: `authorizer.group('').resource('secrets').namespace('x').check('get').allowed()`.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-authorizer-library
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlink.apiserver.cel.opaque import BOOL, OPAQUE, STRING, Overload, member, unwrap, wrap
from starlink.apiserver.schema.formats import is_label, is_subdomain
from starlink.http.message import User

AUTHORIZER = "kubernetes.authorization.Authorizer"
PATH_CHECK = "kubernetes.authorization.PathCheck"
GROUP_CHECK = "kubernetes.authorization.GroupCheck"
RESOURCE_CHECK = "kubernetes.authorization.ResourceCheck"
DECISION = "kubernetes.authorization.Decision"


@dataclass(frozen=True, slots=True)
class Question:
    """May `user` do this? Of a resource, or of `path` when that is given."""

    user: User
    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""
    path: str = ""


Authorizer = Callable[[Question], tuple[bool, str]]
"""Whether it is allowed, and why."""


def authorizer_value(user: User) -> dict[str, Any]:
    """The variable `authorizer` of a request of that user."""
    return wrap(AUTHORIZER, {"user": {"name": user.name, "groups": list(user.groups), "uid": user.uid}})


def resource_value(user: User, place: Mapping[str, str]) -> dict[str, Any]:
    """The variable `authorizer.requestResource`; `place` has group, resource, subresource, namespace and name."""
    return wrap(RESOURCE_CHECK, {**unwrap(AUTHORIZER, authorizer_value(user)), **place})


def overloads(authorize: Authorizer | None) -> tuple[Overload, ...]:
    """The functions; without an authorizer every check is an error."""
    return (
        member("path", OPAQUE, (OPAQUE, STRING), _path),
        member("group", OPAQUE, (OPAQUE, STRING), _stage("group", AUTHORIZER, GROUP_CHECK)),
        member("serviceAccount", OPAQUE, (OPAQUE, STRING, STRING), _service_account),
        member("resource", OPAQUE, (OPAQUE, STRING), _resource),
        *(
            member(function, OPAQUE, (OPAQUE, STRING), _stage(field, RESOURCE_CHECK, RESOURCE_CHECK))
            for function, field in _FIELDS
        ),
        member("check", OPAQUE, (OPAQUE, STRING), lambda value, verb: _check(authorize, value, verb)),
        member("allowed", BOOL, (OPAQUE,), lambda value: unwrap(DECISION, value)["allowed"]),
        member("reason", STRING, (OPAQUE,), lambda value: unwrap(DECISION, value)["reason"]),
        member("errored", BOOL, (OPAQUE,), lambda value: bool(unwrap(DECISION, value)["error"])),
        member("error", STRING, (OPAQUE,), lambda value: unwrap(DECISION, value)["error"]),
    )


_FIELDS = (
    ("subresource", "subresource"),
    ("namespace", "namespace"),
    ("name", "name"),
    ("fieldSelector", "field_selector"),
    ("labelSelector", "label_selector"),
)


def _stage(field: str, before: str, after: str) -> Callable[[Any, str], dict[str, Any]]:
    """A step of the question: what is known so far, and one field more."""
    return lambda value, text: wrap(after, {**unwrap(before, value), field: text})


def _path(value: Any, path: str) -> dict[str, Any]:
    if not path.strip():
        raise ValueError("path must not be empty")
    return _stage("path", AUTHORIZER, PATH_CHECK)(value, path)


def _resource(value: Any, resource: str) -> dict[str, Any]:
    if not resource.strip():
        raise ValueError("resource must not be empty")
    return _stage("resource", GROUP_CHECK, RESOURCE_CHECK)(value, resource)


def _service_account(value: Any, namespace: str, name: str) -> dict[str, Any]:
    unwrap(AUTHORIZER, value)
    if not is_subdomain(name):
        raise ValueError("Invalid service account name")
    if not is_label(namespace):
        raise ValueError("Invalid service account namespace")
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return authorizer_value(User(f"system:serviceaccount:{namespace}:{name}", groups))


def _check(authorize: Authorizer | None, value: Any, verb: str) -> dict[str, Any]:
    if authorize is None:
        raise ValueError("authorization can't be checked here")
    known = dict(unwrap(PATH_CHECK if PATH_CHECK in value else RESOURCE_CHECK, value))
    user = known.pop("user")
    question = Question(User(user["name"], tuple(user["groups"]), user["uid"]), verb, **known)
    allowed, reason = authorize(question)
    return wrap(DECISION, {"allowed": allowed, "reason": reason, "error": ""})
