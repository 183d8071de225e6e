"""Who says that an object's owner waits for it, must be one who could hold the owner otherwise.

An owner that is deleted in the foreground waits for the dependents whose reference says blockOwnerDeletion. One without
a namespace is nobody's who has rights in a namespace alone.
https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#ownerreferencespermissionenforcement
"""

from collections.abc import Iterator
from typing import Any

from starlink.api import errors
from starlink.api.errors import StatusError
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Registry, Resource
from starlink.apiserver.security.authorization.authorizer import Authorizer
from starlink.apiserver.security.authorization.rbac import Attributes
from starlink.http.message import User

_WHY = "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on"


def check(
    registry: Registry, authorizer: Authorizer, user: User, resource: Resource, obj: Obj, old: Obj | None
) -> None:
    """Of the references that a write adds. Raises StatusError 403."""
    if not resource.namespaced:
        return
    before = list(_blocking(old)) if old is not None else []
    for reference in _blocking(obj):
        if reference in before:
            continue
        owner = registry.find_kind(str(reference.get("apiVersion")), str(reference.get("kind")))
        if owner is not None and not owner.namespaced and not _may_hold(authorizer, user, owner, reference):
            why = f"{_WHY}: {owner.plural} {reference.get('name')}"
            raise _refused(resource, obj, why)


def _blocking(obj: Obj) -> Iterator[dict[str, Any]]:
    references = obj["metadata"].get("ownerReferences") or ()
    return (one for one in references if one.get("blockOwnerDeletion") is True)


def _may_hold(authorizer: Authorizer, user: User, owner: Resource, reference: dict[str, Any]) -> bool:
    name = str(reference.get("name"))
    return any(
        authorizer.authorize(
            user, Attributes("update", owner.group, owner.version, owner.plural, subresource, "", name)
        ).allowed
        for subresource in ("finalizers", "")
    )


def _refused(resource: Resource, obj: Obj, why: str) -> StatusError:
    return errors.forbidden(resource.group, resource.plural, obj["metadata"]["name"], why)
