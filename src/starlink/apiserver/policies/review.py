"""A request before the policies that mean it, with all of the store that they go by. Pure.

So a large object can be looked at beside the event loop, to which the store belongs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlink.api import errors
from starlink.api.errors import Cause, StatusError
from starlink.apiserver import aside
from starlink.apiserver.cel.authorizer import authorizer_value, resource_value
from starlink.apiserver.cel.shortcut import Refuted
from starlink.apiserver.policies.decision import Decision, Denial, decide
from starlink.apiserver.policies.parameters import BadConfiguration, Parameters
from starlink.apiserver.policies.program import Program, Run
from starlink.apiserver.policies.request import AdmissionRequest, namespace_value, variables
from starlink.apiserver.resources.encoding import Obj, dump
from starlink.apiserver.resources.resource import Resource
from starlink.store.base import Record

_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}


@dataclass(slots=True)
class Reviewed:
    """Warnings for the request's sender, annotations for the audit log, and the refusal, if any."""

    warnings: list[str] = field(default_factory=list)
    audit: dict[str, str] = field(default_factory=dict)
    refusal: StatusError | None = None


@dataclass(frozen=True, slots=True)
class Hook:
    """A policy with its bindings. `refuted` has what tells of its conditions without CEL that they are not met."""

    record: Record
    policy: Obj
    bindings: tuple[Obj, ...]
    refuted: tuple[Refuted, ...] = ()

    @property
    def name(self) -> str:
        return str(self.policy["metadata"]["name"])

    @property
    def fails(self) -> bool:
        """Whether an error refuses the request."""
        return bool(self.policy["spec"].get("failurePolicy") != "Ignore")

    def passes(self, known: Mapping[str, Any]) -> bool:
        """Whether the policy surely says nothing of a request with these variables: one of its conditions is false,
        which goes before any that can't be evaluated."""
        return any(is_refuted(known) for is_refuted in self.refuted)


@dataclass(frozen=True, slots=True)
class Bound:
    """A binding that means the request, and its parameters; `trouble` says why it can't be used."""

    binding: Obj
    parameters: Parameters | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Charge:
    """A policy that means the request, at the version of `matched`; `trouble` says why it can't be used."""

    hook: Hook
    program: Program
    matched: Resource
    bindings: Sequence[Bound] = ()
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """`namespace` is the request's, None where there is none."""

    request: AdmissionRequest
    charges: Sequence[Charge]
    namespace: Obj | None = None

    @property
    def weight(self) -> int:
        """What the parameters weigh (see `aside`), counted as far as it matters."""
        found = (bound.parameters for charge in self.charges for bound in charge.bindings)
        total = 0
        for record in (record for parameters in found if parameters is not None for record in parameters.records):
            total += len(record.body)
            if total >= aside.LARGE:
                break
        return total

    def reviewed(self) -> Reviewed:
        """What the policies say; a refusal has the code of its validation's reason."""
        reviewed = Reviewed()
        refusals = [refusal for charge in self.charges for refusal in self._review(charge, reviewed)]
        if refusals:
            reviewed.refusal = _refusal(self.request, *refusals[0])
        return reviewed

    def _review(self, charge: Charge, reviewed: Reviewed) -> Iterator[tuple[str, str]]:
        """The refusals of one policy, with their reasons."""
        hook = charge.hook
        said = f"ValidatingAdmissionPolicy '{hook.name}'"
        if charge.trouble and hook.fails:
            yield f"{said} denied request: failed to configure policy: {charge.trouble}", "Invalid"
        collected: dict[str, list[str]] = {}
        for bound in charge.bindings:
            with_binding = f"{said} with binding '{bound.binding['metadata']['name']}'"
            try:
                decisions = self._decisions(charge, bound)
            except BadConfiguration as error:
                if hook.fails:
                    yield f"{with_binding} denied request: failed to configure binding: {error}", "Invalid"
                continue
            for decision in decisions:
                yield from _acted(hook, bound.binding, decision, with_binding, reviewed)
                for key, value in decision.annotations:
                    collected.setdefault(key, []).append(value)
        for key, values in collected.items():
            reviewed.audit[f"{hook.name}/{key}"] = ", ".join(dict.fromkeys(values))

    def _decisions(self, charge: Charge, bound: Bound) -> list[Decision]:
        """One for each of the binding's parameters. Raises BadConfiguration."""
        if bound.trouble:
            raise BadConfiguration(bound.trouble)
        known, program = self._known(charge.matched), charge.program
        given: Sequence[Obj | None] = (None,) if bound.parameters is None else bound.parameters.objects()
        runs = (Run(program, {**known, "params": parameter}) for parameter in given)
        return [decide(program, run, fail=charge.hook.fails) for run in runs]

    def _known(self, matched: Resource) -> dict[str, Any]:
        request, namespace = self.request, self.namespace
        place = {
            "group": request.resource.group,
            "resource": request.resource.plural,
            "subresource": request.subresource,
            "namespace": request.namespace,
            "name": request.name,
        }
        return {
            **variables(request, matched),
            "namespaceObject": None if namespace is None or request.is_namespace else namespace_value(namespace),
            "authorizer": authorizer_value(request.user),
            "authorizer.requestResource": resource_value(request.user, place),
        }


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
