"""What a request's write must pass: nobody gives more than they hold, and the cluster's own policies."""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace

from starlink.api import errors
from starlink.apiserver import aside
from starlink.apiserver.names import NAMESPACES
from starlink.apiserver.policies import GROUP, AdmissionRequest, Policies
from starlink.apiserver.requests.guard import Guard
from starlink.apiserver.requests.options import manager_of
from starlink.apiserver.requests.route import Route
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Registry
from starlink.apiserver.security.authentication import bootstrap_tokens
from starlink.apiserver.security.authorization import agent_access, agent_writes, owners, signers
from starlink.apiserver.security.certificates import signing_requests
from starlink.http.message import Request

ANNOTATIONS: ContextVar[dict[str, str]] = ContextVar("annotations")
"""What policies tell the audit log of the request that is answered now."""

_OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}
_GIVEN = ("fieldManager", "fieldValidation", "propagationPolicy")


@dataclass(frozen=True, slots=True)
class RequestAdmission:
    """`objects.Admission` for one request; `now` is epoch seconds."""

    guard: Guard
    registry: Registry
    policies: Policies
    request: Request
    asked: Route
    dry_run: bool
    now: float

    def prepare(self, obj: Obj, old: Obj | None) -> None:
        if self.asked.resource.storage == signing_requests.STORAGE:
            signing_requests.prepare(obj, old, self.request.user, self.now)

    async def review(self, operation: str, obj: Obj | None, old: Obj | None, weight: int) -> Sequence[str]:
        if operation == "CREATE" and self.asked.verb != "create":  # an apply or an update of what is not there
            await self.guard.check(self.request, replace(self.asked, verb="create"))
        if obj is not None:
            await self._check(obj, old)
            self.guard.check_agent(self.request.user, self.asked.resource, obj, old)
            self._check_manager(obj)
            owners.check(self.registry, self.guard.authorizer, self.request.user, self.asked.resource, obj, old)
        if not self.policies.in_force:
            return ()
        trial = await self.policies.trial(self._reviewed(operation, obj, old))
        reviewed = await aside.run(weight + trial.weight, trial.reviewed)
        if reviewed.audit:
            ANNOTATIONS.get({}).update(reviewed.audit)
        if reviewed.refusal is not None:
            raise reviewed.refusal
        return reviewed.warnings

    def _check_manager(self, obj: Obj) -> None:
        """An agent writes under no other part's name. Raises StatusError 403."""
        if agent_access.agent_server(self.request.user) is None:
            return
        why = agent_writes.manager_fault(manager_of(self.request))
        if why:
            resource, cause = self.asked.resource, errors.Cause("FieldValueForbidden", why, "fieldManager")
            refused = errors.forbidden(resource.group, resource.plural, obj["metadata"]["name"], f"fieldManager: {why}")
            raise replace(refused, causes=(cause,))

    async def _check(self, obj: Obj, old: Obj | None) -> None:
        """What is asked of single kinds. Raises StatusError."""
        resource, subresource = self.asked.resource, self.asked.subresource
        if resource.group == signing_requests.GROUP:
            causes = signing_requests.check(obj, old, subresource)
            if causes:
                raise errors.invalid(resource.group, resource.kind, obj["metadata"]["name"], causes)
            self._check_joining(obj, old)
            signers.check_access(self.guard.authorizer, self.request.user, obj, old, subresource)
        elif resource.group == GROUP and not subresource:
            causes = await aside.run(aside.LARGE, lambda: self.policies.check(resource, obj))
            if causes:
                raise errors.invalid(resource.group, resource.kind, obj["metadata"]["name"], causes)
        else:
            await self.guard.check_grant(self.request, self.asked, obj, old)

    def _check_joining(self, obj: Obj, old: Obj | None) -> None:
        """A bootstrap token is for joining, and only an agent's certificate is that. Raises StatusError 403."""
        resource, groups = self.asked.resource, self.request.user.groups
        if (
            old is None
            and bootstrap_tokens.GROUP in groups
            and obj["spec"]["signerName"] != signing_requests.AGENT_SIGNER
        ):
            why = f"a bootstrap token may only ask signer {signing_requests.AGENT_SIGNER} for a certificate"
            raise errors.forbidden(resource.group, resource.plural, obj["metadata"]["name"], why)

    def _reviewed(self, operation: str, obj: Obj | None, old: Obj | None) -> AdmissionRequest:
        meta = (obj or old or {}).get("metadata", {})
        resource, name = self.asked.resource, meta.get("name", "")
        namespace = name if resource.storage == NAMESPACES else meta.get("namespace", "")
        given: Obj = {key: self.request.query[key] for key in _GIVEN if self.request.query.get(key)}
        options = {"kind": _OPTIONS[operation], "apiVersion": "meta.k8s.io/v1", **given}
        if self.dry_run:
            options["dryRun"] = ["All"]
        return AdmissionRequest(
            operation, resource, self.asked.subresource, namespace, name, obj, old, self.request.user, self.dry_run,
            options,
        )  # fmt: skip
