"""The policies in force over one store, and what they say of requests."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlink.apiserver import errors
from starlink.apiserver.access import rbac
from starlink.apiserver.access.authorizer import Authorizer
from starlink.apiserver.cel.authorizer import Question, authorizer_value, resource_value
from starlink.apiserver.encoding import Obj, dump, raw
from starlink.apiserver.errors import Cause, StatusError
from starlink.apiserver.names import NAMESPACES
from starlink.apiserver.policies import checks, matching, parameters
from starlink.apiserver.policies.decision import Decision, Denial, decide
from starlink.apiserver.policies.parameters import BadConfiguration
from starlink.apiserver.policies.program import Compiler, Program, Run
from starlink.apiserver.policies.request import GROUP, AdmissionRequest, namespace_value, variables
from starlink.apiserver.resource import Registry, Resource
from starlink.store.base import Key, Record, Store

POLICIES = f"{GROUP}/validatingadmissionpolicies"
BINDINGS = f"{GROUP}/validatingadmissionpolicybindings"
_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}


@dataclass(slots=True)
class Reviewed:
    """Warnings for the request's sender, annotations for the audit log, and the refusal, if any."""

    warnings: list[str] = field(default_factory=list)
    audit: dict[str, str] = field(default_factory=dict)
    refusal: StatusError | None = None


@dataclass(frozen=True, slots=True)
class Hook:
    """A policy with its bindings."""

    policy: Obj
    program: Program
    bindings: tuple[Obj, ...]

    @property
    def name(self) -> str:
        return str(self.policy["metadata"]["name"])

    @property
    def fails(self) -> bool:
        """Whether an error refuses the request."""
        return bool(self.policy["spec"].get("failurePolicy") != "Ignore")


class Policies:
    """Reviews requests by the policies in the store, compiled once for as long as they are unchanged."""

    def __init__(self, store: Store, registry: Registry, authorizer: Authorizer) -> None:
        self._store = store
        self._registry = registry
        self._authorizer = authorizer
        self._compiler = Compiler(self._authorize)
        self._lists: tuple[Sequence[Record] | None, Sequence[Record] | None] = (None, None)
        self._compiled: dict[Key, tuple[Record, Obj, Program]] = {}
        self._hooks: tuple[Hook, ...] = ()

    @property
    def in_force(self) -> bool:
        """Whether any policy is bound; cheap."""
        return bool(self._store.list(BINDINGS)) and bool(self._current())

    def check(self, resource: Resource, obj: Obj) -> tuple[Cause, ...]:
        """Why a policy or a binding is refused."""
        if resource.storage == POLICIES:
            return checks.policy(obj, self._compiler)
        return checks.binding(obj) if resource.storage == BINDINGS else ()

    def review(self, request: AdmissionRequest) -> Reviewed:
        """What the policies say; a refusal has the code of its validation's reason. Raises StatusError 404 where a
        namespace that is selected by is not there."""
        reviewed = Reviewed()
        if request.is_exempt:
            return reviewed
        refusals = [refusal for hook in self._current() for refusal in self._review(hook, request, reviewed)]
        if refusals:
            reviewed.refusal = _refusal(request, *refusals[0])
        return reviewed

    def _review(self, hook: Hook, request: AdmissionRequest, reviewed: Reviewed) -> Iterator[tuple[str, str]]:
        """The refusals of one policy, with their reasons."""
        matched = self._matched(hook.policy["spec"].get("matchConstraints"), request)
        if matched is None:
            return
        said = f"ValidatingAdmissionPolicy '{hook.name}'"
        collected: dict[str, list[str]] = {}
        try:
            param_resource = parameters.resource(self._registry, hook.policy["spec"].get("paramKind"))
        except BadConfiguration as error:
            if hook.fails:
                yield f"{said} denied request: failed to configure policy: {error}", "Invalid"
            return
        for binding in hook.bindings:
            with_binding = f"{said} with binding '{binding['metadata']['name']}'"
            try:
                decisions = self._bound(hook, binding, request, matched, param_resource)
            except BadConfiguration as error:
                if hook.fails:
                    yield f"{with_binding} denied request: failed to configure binding: {error}", "Invalid"
                continue
            for decision in decisions:
                yield from _acted(hook, binding, decision, with_binding, reviewed)
                for key, value in decision.annotations:
                    collected.setdefault(key, []).append(value)
        for key, values in collected.items():
            reviewed.audit[f"{hook.name}/{key}"] = ", ".join(dict.fromkeys(values))

    def _bound(
        self, hook: Hook, binding: Obj, request: AdmissionRequest, matched: Resource, param_resource: Resource | None
    ) -> list[Decision]:
        """A decision for each of the binding's parameters. Raises BadConfiguration."""
        if self._matched(binding["spec"].get("matchResources"), request) is None:
            return []
        known = self._known(request, matched)
        given = parameters.found(self._store, param_resource, binding["spec"].get("paramRef"), request.namespace)
        runs = (Run(hook.program, {**known, "params": parameter}) for parameter in given)
        return [decide(hook.program, run, fail=hook.fails) for run in runs]

    def _matched(self, match: Mapping[str, Any] | None, request: AdmissionRequest) -> Resource | None:
        return matching.matched(
            match, request, lambda: self._equivalents(request.resource), lambda: self._namespace_labels(request)
        )

    def _equivalents(self, resource: Resource) -> Sequence[Resource]:
        return [other for other in self._registry.all() if other.storage == resource.storage and other is not resource]

    def _namespace_labels(self, request: AdmissionRequest) -> Mapping[str, str]:
        if request.is_namespace and not request.subresource and request.obj is not None:
            return request.obj["metadata"].get("labels") or {}
        namespace = self._namespace(request.namespace)
        if namespace is None:
            raise errors.not_found("", "namespaces", request.namespace)
        return namespace["metadata"].get("labels") or {}

    def _namespace(self, name: str) -> Obj | None:
        record = self._store.latest(Key(NAMESPACES, "", name)) if name else None
        return raw(record) if record is not None else None

    def _known(self, request: AdmissionRequest, matched: Resource) -> dict[str, Any]:
        namespace = None if request.is_namespace else self._namespace(request.namespace)
        place = {
            "group": request.resource.group,
            "resource": request.resource.plural,
            "subresource": request.subresource,
            "namespace": request.namespace,
            "name": request.name,
        }
        return {
            **variables(request, matched),
            "namespaceObject": None if namespace is None else namespace_value(namespace),
            "authorizer": authorizer_value(request.user),
            "authorizer.requestResource": resource_value(request.user, place),
        }

    def _authorize(self, question: Question) -> tuple[bool, str]:
        asked = rbac.Attributes(
            question.verb, question.group, resource=question.resource, subresource=question.subresource,
            namespace=question.namespace, name=question.name, path=question.path or None,
        )  # fmt: skip
        try:
            decision = self._authorizer.authorize(question.user, asked)
        except StatusError as error:
            return False, error.message
        return decision.allowed, decision.reason

    def _current(self) -> tuple[Hook, ...]:
        """The policies that are bound. A list is the same object for as long as its resource is unchanged."""
        policies, bindings = self._store.list(POLICIES), self._store.list(BINDINGS)
        if policies is not self._lists[0] or bindings is not self._lists[1]:
            self._lists = (policies, bindings)
            self._hooks = tuple(self._bind(policies, bindings))
        return self._hooks

    def _bind(self, policies: Sequence[Record], bindings: Sequence[Record]) -> Iterator[Hook]:
        bound: dict[str, list[Obj]] = {}
        for binding in map(raw, bindings):
            bound.setdefault(binding["spec"]["policyName"], []).append(binding)
        self._compiled = {record.key: self._compile(record) for record in policies if record.key.name in bound}
        for key, (_, policy, program) in self._compiled.items():
            yield Hook(policy, program, tuple(bound[key.name]))

    def _compile(self, record: Record) -> tuple[Record, Obj, Program]:
        known = self._compiled.get(record.key)
        if known is not None and known[0] is record:
            return known
        policy = raw(record)
        return record, policy, self._compiler.program(policy["spec"])


def _acted(hook: Hook, binding: Obj, decision: Decision, said: str, reviewed: Reviewed) -> Iterator[tuple[str, str]]:
    """What the binding's actions make of a decision."""
    actions = binding["spec"]["validationActions"]
    for denial in decision.denials:
        if "Deny" in actions:
            yield f"{said} denied request: {denial.message}", denial.reason
        if "Warn" in actions:
            told = f"Validation failed for ValidatingAdmissionPolicy '{hook.name}' with binding "
            reviewed.warnings.append(f"{told}'{binding['metadata']['name']}': {denial.message}")
        if "Audit" in actions:
            _note(hook, binding, denial, reviewed)
    for error in decision.errors:
        yield f"{said} denied request: {error.message}", error.reason


def _note(hook: Hook, binding: Obj, denial: Denial, reviewed: Reviewed) -> None:
    """Adds the failure to the annotation, as JSON."""
    failure = {
        "message": denial.message,
        "policy": hook.name,
        "binding": binding["metadata"]["name"],
        "expressionIndex": denial.index or 0,
        "validationActions": binding["spec"]["validationActions"],
    }
    key = "validation.policy.admission.k8s.io/validation_failure"
    before = reviewed.audit.get(key, "[]")[1:-1]
    reviewed.audit[key] = f"[{before}{',' if before else ''}{dump(failure).decode()}]"


def _refusal(request: AdmissionRequest, message: str, reason: str) -> StatusError:
    refusal = errors.forbidden(request.resource.group, request.resource.plural, request.name, message)
    refusal.reason, refusal.code = reason, _CODES.get(reason, 422)
    refusal.causes = (Cause("", message),)
    return refusal
