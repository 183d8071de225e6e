"""Nobody gives more than they hold: what is refused of writes to roles and bindings.

Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
"""

from collections.abc import Iterable, Sequence

from starlink.api import errors
from starlink.api.errors import Cause, StatusError, qualified, quoted
from starlink.apiserver import aside
from starlink.apiserver.resources.resource import Resource
from starlink.apiserver.security.authorization.authorizer import Authorizer, together, unresolved
from starlink.apiserver.security.authorization.binding import Held
from starlink.apiserver.security.authorization.rbac import GROUP, Attributes, Obj, Rule, count, covers, rules_of
from starlink.http.message import ADMIN_GROUP, User

MAX_COMPARED = 200_000
"""Pairs of what is to be given and what is held that are compared for one write. A rule stands for every combination of
its verbs, groups, resources and names, so that a few hundred bytes can say millions."""

_TOO_MANY = "the rules have too many combinations to be compared with what the user holds; write fewer, or use *"
_FULL = (Rule(("*",), ("*",), ("*",)), Rule(("*",), urls=("*",)))
_OF_THE_COLLECTOR = ("finalizers", "managedFields", "ownerReferences", "resourceVersion")
_PLURALS = {"Role": "roles", "ClusterRole": "clusterroles"}


async def check(authorizer: Authorizer, user: User, resource: Resource, obj: Obj, old: Obj | None) -> None:
    """Refuses what the user may not give. `obj` is what is to be stored: it fits its schema and has its namespace;
    `old` is what is stored, None for a create. Other kinds pass.

    Raises StatusError 403 for rules that the user does not hold, 404 for a binding to a role that is not there,
    422 for another roleRef.
    """
    if resource.group != GROUP:
        return
    if ADMIN_GROUP not in user.groups and not _is_for_the_collector(obj, old):
        if resource.plural in _PLURALS.values():
            await _check_role(authorizer, user, resource, obj, old)
        else:
            await _check_binding(authorizer, user, resource, obj)
    if old is not None and "roleRef" in old:
        _check_role_ref(resource, obj, old)


def _is_for_the_collector(obj: Obj, old: Obj | None) -> bool:
    """Whether only that is changed by which an object comes to be deleted."""
    return old is not None and _without(obj) == _without(old)


def _without(obj: Obj) -> Obj:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _OF_THE_COLLECTOR}
    return {**obj, "metadata": metadata}


async def _check_role(authorizer: Authorizer, user: User, resource: Resource, obj: Obj, old: Obj | None) -> None:
    name, namespace = obj["metadata"].get("name") or "", obj["metadata"].get("namespace") or ""
    known = name if old is not None else ""  # a create is a request to the collection, which names nothing
    escalate = Attributes("escalate", GROUP, resource=resource.plural, namespace=namespace, name=known)
    if (await authorizer.decided(user, escalate)).allowed:
        return
    held = authorizer.held(user, namespace)
    extra = await aside.run(aside.LARGE, lambda: _extra(user, held, rules_of(obj)))
    if extra:
        raise _forbidden(resource, name, extra)
    if not (_aggregates(obj) or _aggregates(old or {})):
        return
    if await aside.run(aside.LARGE, lambda: _extra(user, held, _FULL)):
        raise _forbidden(resource, name, "must have cluster-admin privileges to use the aggregationRule")


def _aggregates(role: Obj) -> bool:
    return bool((role.get("aggregationRule") or {}).get("clusterRoleSelectors"))


async def _check_binding(authorizer: Authorizer, user: User, resource: Resource, obj: Obj) -> None:
    name, namespace = obj["metadata"].get("name") or "", obj["metadata"].get("namespace") or ""
    ref = obj["roleRef"]
    plural = _PLURALS[ref["kind"]]
    bind = Attributes("bind", GROUP, resource=plural, namespace=namespace, name=ref["name"])
    if (await authorizer.decided(user, bind)).allowed:
        return
    role, held = authorizer.role(ref["kind"], namespace, ref["name"]), authorizer.held(user, namespace)
    if role is None:
        raise errors.not_found(GROUP, plural, ref["name"])
    extra = await aside.run(aside.LARGE, lambda: _extra(user, held, role.rules))
    if extra:
        raise _forbidden(resource, name, extra)


def _extra(user: User, held: Held, wanted: Sequence[Rule]) -> str:
    """What of `wanted` the user does not hold, as the refusal says it; empty when all is held. However small it is,
    the comparison may be a long one, which is for beside the loop."""
    given = [rule for grant in held.grants for rule in grant.rules]
    if sum(map(count, wanted)) * max(len(given), 1) > MAX_COMPARED:
        return _TOO_MANY
    missing = covers(given, wanted)
    if not missing:
        return ""
    told = "\n".join(sorted({_compact_string(rule) for rule in _compacted(missing)}))
    problems = unresolved(held.grants, ending="s")
    return (
        f"user {quoted(user.name)} (groups={_listed(user.groups)}) is attempting to grant RBAC permissions "
        f"not currently held:\n{told}" + (f"; resolution errors: [{together(problems)}]" if problems else "")
    )


def _compacted(rules: Sequence[Rule]) -> list[Rule]:
    """Rules that differ only by verb as one."""
    verbs: dict[Rule, list[str]] = {}
    for rule in rules:
        if rule.resources and not rule.names:
            verbs.setdefault(Rule((), rule.groups, rule.resources), []).extend(rule.verbs)
        else:
            verbs[rule] = list(rule.verbs)
    return [Rule(tuple(told), kind.groups, kind.resources, kind.names, kind.urls) for kind, told in verbs.items()]


def _compact_string(rule: Rule) -> str:
    fields = (
        ("APIGroups", rule.groups),
        ("Resources", rule.resources),
        ("NonResourceURLs", rule.urls),
        ("ResourceNames", rule.names),
        ("Verbs", rule.verbs),
    )
    return "{" + ", ".join(f"{name}:{_listed(values)}" for name, values in fields if values) + "}"


def _listed(values: Iterable[str]) -> str:
    return f"[{' '.join(map(quoted, values))}]"


def _forbidden(resource: Resource, name: str, why: str) -> StatusError:
    named = f" {quoted(name)}" if name else ""
    message = f"{qualified(GROUP, resource.plural)}{named} is forbidden: {why}"
    return StatusError(403, "Forbidden", message, GROUP, resource.plural, name)


def _check_role_ref(resource: Resource, obj: Obj, old: Obj) -> None:
    new = _as_go(obj["roleRef"])
    if new != _as_go(old["roleRef"]):
        cause = Cause("FieldValueInvalid", f"Invalid value: {new}: cannot change roleRef", "roleRef")
        raise errors.invalid(GROUP, resource.kind, obj["metadata"]["name"], (cause,))


def _as_go(ref: Obj) -> str:
    group, kind, name = quoted(ref.get("apiGroup") or GROUP), quoted(ref["kind"]), quoted(ref["name"])
    return f"rbac.RoleRef{{APIGroup:{group}, Kind:{kind}, Name:{name}}}"
