"""Reviews: questions about access and identity, answered and forgotten.

Each function gives the answered object and leaves the asked one as it is. What is asked must fit its schema; `weight`
is what reading it weighs (see `aside`).
Sources: https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/
and https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from starlink.api import errors
from starlink.api.errors import Cause, StatusError, quoted
from starlink.api.timestamp import format_time
from starlink.apiserver import aside
from starlink.apiserver.resources.encoding import Obj, dump
from starlink.apiserver.resources.selectors import MAX_TERMS
from starlink.apiserver.security.authorization import agent_access
from starlink.apiserver.security.authorization.authorizer import Authorizer, together, unresolved
from starlink.apiserver.security.authorization.binding import Grant, Held
from starlink.apiserver.security.authorization.rbac import Attributes
from starlink.http.message import User

Authenticate = Callable[[str, Sequence[str]], tuple[User, tuple[str, ...]]]
"""Gives a bearer token's user, and for which of the given audiences it is. Raises StatusError 401."""

_Question = tuple[User, Attributes]

_GROUP = "authorization.k8s.io"
_ONE_OF = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
_NOT_BOTH = "cannot be specified in combination with resourceAttributes"


async def self_subject_access_review(obj: Obj, user: User, authorizer: Authorizer, weight: int = 0) -> Obj:
    """Whether the user may do what is asked. Raises StatusError 422."""
    spec = obj.get("spec") or {}

    def question() -> _Question:
        _refuse([*_attribute_causes(spec), *_metadata_causes(obj, "must be empty")])
        return user, _attributes(spec)

    return _answered(obj, await _status(authorizer, weight, question))


async def subject_access_review(obj: Obj, authorizer: Authorizer, weight: int = 0) -> Obj:
    """Whether the user that the review names may do what is asked. Raises StatusError 422."""
    spec = obj.get("spec") or {}

    def question() -> _Question:
        _refuse([*_subject_causes(spec), *_metadata_causes(obj, "must be empty")])
        return _subject(spec), _attributes(spec)

    return _answered(obj, await _status(authorizer, weight, question))


async def local_subject_access_review(obj: Obj, namespace: str, authorizer: Authorizer, weight: int = 0) -> Obj:
    """The same in `namespace`, which is the request's. Raises StatusError 400 or 422."""
    meta = obj.get("metadata") or {}
    if not namespace:
        raise errors.bad_request("namespace is required on this type: ")
    if meta.get("namespace") not in (None, "", namespace):
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    obj = {**obj, "metadata": {**meta, "namespace": namespace}}
    spec = obj.get("spec") or {}

    def question() -> _Question:
        causes = [*_subject_causes(spec), *_metadata_causes(obj, "must be empty except for namespace")]
        _refuse([*causes, *_local_causes(spec, namespace)])
        return _subject(spec), _attributes(spec)

    return _answered(obj, await _status(authorizer, weight, question))


def asked_grants(obj: Obj, user: User, authorizer: Authorizer) -> Held:
    """What RBAC gives the user in the namespace of a SelfSubjectRulesReview. Raises StatusError 400."""
    namespace = (obj.get("spec") or {}).get("namespace")
    if not namespace:
        raise errors.bad_request("no namespace on request")
    return authorizer.held(user, namespace)


def self_subject_rules_review(obj: Obj, user: User, grants: Sequence[Grant]) -> Obj:
    """What the user may do by `grants`."""
    agent = agent_access.agent_server(user) is not None
    rules = [rule for grant in grants for rule in grant.rules]
    status: Obj = {
        "resourceRules": [] if agent else [_picked(r.as_dict(), _RESOURCE_RULE) for r in rules if r.resources],
        "nonResourceRules": [_picked(r.as_dict(), _NON_RESOURCE_RULE) for r in rules if r.urls],
        "incomplete": agent,
    }
    problems = ["node authorizer does not support user rule resolution"] if agent else []
    problems += unresolved(grants)
    if problems:
        status["evaluationError"] = together(problems)
    return {**_answered(obj, status), "spec": {}}


def self_subject_review(obj: Obj, user: User, now: float) -> Obj:
    """Who the user is; `now` in epoch seconds."""
    answered = _answered(obj, {"userInfo": user.info()})
    return {**answered, "metadata": {"creationTimestamp": format_time(now)}}


def token_review(obj: Obj, authenticate: Authenticate, audiences: Sequence[str]) -> Obj:
    """Whose token it is, and for which of the asked audiences, by default `audiences`. Raises StatusError 400."""
    spec = obj.get("spec") or {}
    token = spec.get("token")
    if not token:
        raise errors.bad_request("token is required for TokenReview in authentication")
    try:
        user, matched = authenticate(token, spec.get("audiences") or audiences)
    except StatusError as error:
        why = error.message.removeprefix("Unauthorized: invalid bearer token: ")
        return _answered(obj, {"user": {}, "error": f"[invalid bearer token, {why}]"})
    return _answered(obj, {"authenticated": True, "user": user.info(), "audiences": list(matched)})


_RESOURCE_RULE = ("verbs", "apiGroups", "resources", "resourceNames")
_NON_RESOURCE_RULE = ("verbs", "nonResourceURLs")


def _picked(rule: Obj, fields: tuple[str, ...]) -> Obj:
    return {field: rule[field] for field in fields if field in rule}


def _answered(obj: Obj, status: Obj) -> Obj:
    metadata = {"creationTimestamp": None, **(obj.get("metadata") or {})}
    return {**obj, "metadata": metadata, "status": status}


async def _status(authorizer: Authorizer, weight: int, question: Callable[[], _Question]) -> Obj:
    user, asked = await aside.run(weight, question)
    try:
        decision = await authorizer.decided(user, asked)
    except StatusError as error:
        return {"allowed": False, "evaluationError": error.message}
    return {"allowed": decision.allowed, **({"reason": decision.reason} if decision.reason else {})}


def _subject(spec: Obj) -> User:
    extra = tuple((key, tuple(values or ())) for key, values in (spec.get("extra") or {}).items())
    return User(spec.get("user") or "", tuple(spec.get("groups") or ()), spec.get("uid") or "", extra)


def _attributes(spec: Obj) -> Attributes:
    asked = spec.get("resourceAttributes")
    if asked is None:
        path = spec["nonResourceAttributes"]
        return Attributes(path.get("verb") or "", path=path.get("path") or "")
    return Attributes(
        asked.get("verb") or "",
        group=asked.get("group") or "",
        version=asked.get("version") or "*",
        resource=asked.get("resource") or "",
        subresource=asked.get("subresource") or "",
        namespace=asked.get("namespace") or "",
        name=asked.get("name") or "",
        fields=tuple(_demanded(asked.get("fieldSelector") or {})),
    )


def _demanded(selector: Obj) -> Iterator[tuple[str, str]]:
    """What the selector demands; what can't be understood demands nothing, which only ever allows less."""
    for requirement in selector.get("requirements") or ():
        values = requirement.get("values") or []
        if requirement.get("operator") == "In" and len(values) == 1:
            yield requirement.get("key") or "", values[0]
    for term in (selector.get("rawSelector") or "").split(","):
        path, equals, value = term.partition("=")
        if equals and not path.endswith("!"):
            yield path.strip(), value.removeprefix("=").strip()


def _refuse(causes: list[Cause]) -> None:
    if causes:  # the real server has lost the kind when it comes here
        raise errors.invalid(_GROUP, "", "", tuple(causes))


def _invalid(field: str, value: str, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {value}: {why}", field)


def _attribute_causes(spec: Obj) -> Iterator[Cause]:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        yield _invalid("spec.nonResourceAttributes", _as_go(path), _NOT_BOTH)
    if resource is None and path is None:
        yield _invalid("spec.resourceAttributes", '"null"', _ONE_OF)
    for name in ("fieldSelector", "labelSelector"):
        selector = (resource or {}).get(name)
        if selector is not None:
            yield from _selector_causes(selector, f"spec.resourceAttributes.{name}")


def _selector_causes(selector: Obj, field: str) -> Iterator[Cause]:
    raw, requirements = selector.get("rawSelector"), selector.get("requirements")
    if raw and raw.count(",") >= MAX_TERMS:
        why = f"Too many: {raw.count(',') + 1}: must have at most {MAX_TERMS} items"
        yield Cause("FieldValueTooMany", why, f"{field}.rawSelector")
        return
    if raw and requirements:
        why = "may not specified at the same time as requirements"
        yield _invalid(f"{field}.rawSelector", quoted(raw), why)
    if not raw and not requirements:
        why = f"Required value: when {field} is specified, requirements or rawSelector is required"
        yield Cause("FieldValueRequired", why, f"{field}.requirements")


def _subject_causes(spec: Obj) -> Iterator[Cause]:
    yield from _attribute_causes(spec)
    if not spec.get("user") and not spec.get("groups"):
        yield _invalid("spec.user", '""', "at least one of user or group must be specified")


def _metadata_causes(obj: Obj, why: str) -> Iterator[Cause]:
    given = {key: value for key, value in (obj.get("metadata") or {}).items() if value}
    if given.keys() - {"managedFields", "namespace"}:  # of a cluster-wide kind the namespace means nothing
        yield _invalid("metadata", dump(given).decode(), why)


def _local_causes(spec: Obj, namespace: str) -> Iterator[Cause]:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and (resource.get("namespace") or "") != namespace:
        value = quoted(resource.get("namespace") or "")
        yield _invalid("spec.resourceAttributes.namespace", value, "must match metadata.namespace")
    if path is not None:
        yield _invalid("spec.nonResourceAttributes", _as_go(path), "disallowed on this kind of request")


def _as_go(path: dict[str, Any]) -> str:
    fields = f"Path:{quoted(path.get('path') or '')}, Verb:{quoted(path.get('verb') or '')}"
    return f"authorization.NonResourceAttributes{{{fields}}}"
