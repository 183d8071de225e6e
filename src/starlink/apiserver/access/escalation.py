"""Nobody gives more than they hold: what is refused of writes to roles and bindings.

Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
"""

from collections.abc import Iterable, Sequence

from starlink.apiserver import errors
from starlink.apiserver.access.authorizer import Authorizer, together, unresolved
from starlink.apiserver.access.rbac import GROUP, Attributes, Obj, Rule, count, covers, quoted, rules_of
from starlink.apiserver.errors import Cause, StatusError, qualified
from starlink.apiserver.message import ADMIN_GROUP, User
from starlink.apiserver.resource import Resource

MAX_COMPARED = 200_000
"""Pairs of what is to be given and what is held that are compared for one write. A rule stands for every combination of
its verbs, groups, resources and names, so that a few hundred bytes can say millions."""

_TOO_MANY = "the rules have too many combinations to be compared with what the user holds; write fewer, or use *"
_FULL = (Rule(("*",), ("*",), ("*",)), Rule(("*",), urls=("*",)))
_OF_THE_COLLECTOR = ("finalizers", "managedFields", "ownerReferences", "resourceVersion")
_PLURALS = {"Role": "roles", "ClusterRole": "clusterroles"}


def check(authorizer: Authorizer, user: User, resource: Resource, obj: Obj, old: Obj | None) -> None:
    """Refuses what the user may not give. `obj` is what is to be stored: it fits its schema and has its namespace;
    `old` is what is stored, None for a create. Other kinds pass.

    Raises StatusError 403 for rules that the user does not hold, 404 for a binding to a role that is not there,
    422 for another roleRef.
    """
    if resource.group != GROUP:
        return
    if ADMIN_GROUP not in user.groups and not _is_for_the_collector(obj, old):
        if resource.plural in _PLURALS.values():
            _check_role(authorizer, user, resource, obj, old)
        else:
            _check_binding(authorizer, user, resource, obj)
    if old is not None and "roleRef" in old:
        _check_role_ref(resource, obj, old)


def _is_for_the_collector(obj: Obj, old: Obj | None) -> bool:
    """Whether only that is changed by which an object comes to be deleted."""
    return old is not None and _without(obj) == _without(old)


def _without(obj: Obj) -> Obj:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _OF_THE_COLLECTOR}
    return {**obj, "metadata": metadata}


def _check_role(authorizer: Authorizer, user: User, resource: Resource, obj: Obj, old: Obj | None) -> None:
    name, namespace = obj["metadata"].get("name") or "", obj["metadata"].get("namespace") or ""
    known = name if old is not None else ""  # a create is a request to the collection, which names nothing
    escalate = Attributes("escalate", GROUP, resource=resource.plural, namespace=namespace, name=known)
    if authorizer.authorize(user, escalate).allowed:
        return
    extra = _extra(authorizer, user, namespace, rules_of(obj))
    if extra:
        raise _forbidden(resource, name, extra)
    if (_aggregates(obj) or _aggregates(old or {})) and _extra(authorizer, user, namespace, _FULL):
        raise _forbidden(resource, name, "must have cluster-admin privileges to use the aggregationRule")


def _aggregates(role: Obj) -> bool:
    return bool((role.get("aggregationRule") or {}).get("clusterRoleSelectors"))


def _check_binding(authorizer: Authorizer, user: User, resource: Resource, obj: Obj) -> None:
    name, namespace = obj["metadata"].get("name") or "", obj["metadata"].get("namespace") or ""
    ref = obj["roleRef"]
    plural = _PLURALS[ref["kind"]]
    bind = Attributes("bind", GROUP, resource=plural, namespace=namespace, name=ref["name"])
    if authorizer.authorize(user, bind).allowed:
        return
    rules = authorizer.role_rules(ref["kind"], namespace, ref["name"])
    if rules is None:
        raise errors.not_found(GROUP, plural, ref["name"])
    extra = _extra(authorizer, user, namespace, rules)
    if extra:
        raise _forbidden(resource, name, extra)


def _extra(authorizer: Authorizer, user: User, namespace: str, rules: Iterable[Rule]) -> str:
    """What of `rules` the user does not hold, as the refusal says it; empty when all is held."""
    grants = authorizer.rules_for(user, namespace)
    held = [rule for grant in grants for rule in grant.rules]
    wanted = tuple(rules)
    if sum(map(count, wanted)) * max(len(held), 1) > MAX_COMPARED:
        return _TOO_MANY
    missing = covers(held, wanted)
    if not missing:
        return ""
    told = "\n".join(sorted({_compact_string(rule) for rule in _compacted(missing)}))
    problems = unresolved(grants, ending="s")
    return (
        f"user {quoted(user.name)} (groups={_listed(user.groups)}) is attempting to grant RBAC permissions "
        f"not currently held:\n{told}" + (f"; resolution errors: [{together(problems)}]" if problems else "")
    )


def _compacted(rules: Sequence[Rule]) -> list[Rule]:
    """Rules that differ only by verb as one."""
    verbs: dict[Rule, tuple[str, ...]] = {}
    for rule in rules:
        simple = bool(rule.resources) and not rule.names
        kind = Rule((), rule.groups, rule.resources) if simple else rule
        verbs[kind] = (*verbs.get(kind, ()), *rule.verbs) if simple else rule.verbs
    return [Rule(verbs[kind], kind.groups, kind.resources, kind.names, kind.urls) for kind in verbs]


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
