"""Who may ask for certificates, approve them and sign them. Pure."""

from starlink.api import errors
from starlink.api.errors import StatusError
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.security.authorization.authorizer import Authorizer
from starlink.apiserver.security.authorization.rbac import Attributes
from starlink.apiserver.security.certificates.signing_requests import (
    CLIENT_SIGNER,
    GROUP,
    PLURAL,
    certificate_of,
    conditions,
    parse,
)
from starlink.http.message import ADMIN_GROUP, User
from starlink.http.subject import organizations


def check_access(authorizer: Authorizer, user: User, obj: Obj, old: Obj | None, subresource: str) -> None:
    """Approving and signing need the verb on the signer, beside the right to write the object. Raises StatusError 403.

    https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#authorization
    """
    name = obj["metadata"]["name"]
    if old is None:
        _check_subject(obj["spec"], name)
        return
    signer = old["spec"]["signerName"]
    wrote = conditions(obj) != conditions(old) or certificate_of(obj) != certificate_of(old)
    if subresource == "approval" and not _may(authorizer, user, "approve", signer):
        raise _refused(name, f'user not permitted to approve requests with signerName "{signer}"')
    if subresource == "status" and wrote and not _may(authorizer, user, "sign", signer):
        raise _refused(name, f'user not permitted to sign requests with signerName "{signer}"')


def _check_subject(spec: Obj, name: str) -> None:
    """No certificate makes an administrator whom no binding can restrain."""
    if spec["signerName"] == CLIENT_SIGNER and ADMIN_GROUP in organizations(parse(spec["request"]).subject):
        raise _refused(name, f"use of {CLIENT_SIGNER} signer with {ADMIN_GROUP} group is not allowed")


def _may(authorizer: Authorizer, user: User, verb: str, signer: str) -> bool:
    names = (signer, f"{signer.partition('/')[0]}/*")
    asked = (Attributes(verb, GROUP, resource="signers", name=name) for name in names)
    return any(authorizer.authorize(user, attributes).allowed for attributes in asked)


def _refused(name: str, why: str) -> StatusError:
    return errors.forbidden(GROUP, PLURAL, name, why)
