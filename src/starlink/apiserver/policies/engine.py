"""The policies in force over one store, and which of them mean a request."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from starlink.api import errors
from starlink.api.errors import Cause, StatusError
from starlink.apiserver import aside
from starlink.apiserver.cel import shortcut
from starlink.apiserver.cel.authorizer import Authorizer as Authorize
from starlink.apiserver.cel.authorizer import Question
from starlink.apiserver.cel.shortcut import Refuted
from starlink.apiserver.names import NAMESPACES
from starlink.apiserver.policies import checks, matching, parameters
from starlink.apiserver.policies.parameters import BadConfiguration
from starlink.apiserver.policies.program import Compiler, Program
from starlink.apiserver.policies.request import GROUP, VARIABLES, AdmissionRequest, variables
from starlink.apiserver.policies.review import Bound, Charge, Hook, Review
from starlink.apiserver.resources.encoding import Obj, dump, raw
from starlink.apiserver.resources.resource import Registry, Resource
from starlink.apiserver.security.authorization import rbac
from starlink.apiserver.security.authorization.authorizer import Authorizer
from starlink.store.base import Key, Record, Store

POLICIES = f"{GROUP}/validatingadmissionpolicies"
BINDINGS = f"{GROUP}/validatingadmissionpolicybindings"
_REMEMBERED = 16


class Policies:
    """The policies in the store, compiled once for as long as they are unchanged."""

    def __init__(self, store: Store, registry: Registry, authorizer: Authorizer) -> None:
        self._store = store
        self._registry = registry
        self._authorizer = authorizer
        self._compiler = _Remembering(self._authorize)
        self._lists: tuple[Sequence[Record] | None, Sequence[Record] | None] = (None, None)
        self._compiled: dict[Key, tuple[Record, Program]] = {}
        self._hooks: tuple[Hook, ...] = ()
        self._decoded: tuple[Record | None, Obj] = (None, {})  # a request asks for its namespace again and again

    @property
    def in_force(self) -> bool:
        """Whether any policy may be bound; cheap."""
        return bool(self._store.list(BINDINGS))

    def check(self, resource: Resource, obj: Obj) -> tuple[Cause, ...]:
        """Why a policy or a binding is refused. Pure, and slow: to compile many expressions takes a second."""
        if resource.storage == POLICIES:
            return checks.policy(obj, self._compiler)
        return checks.binding(obj) if resource.storage == BINDINGS else ()

    async def trial(self, request: AdmissionRequest) -> Review:
        """The request before the policies that mean it. Raises StatusError 404 where a namespace that is selected by
        is not there."""
        if request.is_exempt:
            return Review(request, ())
        found = [await self._charge(hook, request) for hook in self._current()]
        charges = tuple(charge for charge in found if charge is not None)
        return Review(request, charges, self._namespace(request.namespace) if charges else None)

    async def _charge(self, hook: Hook, request: AdmissionRequest) -> Charge | None:
        matched = self._matched(hook.policy["spec"].get("matchConstraints"), request)
        if matched is None or (hook.refuted and hook.passes(variables(request, matched))):
            return None
        program = await self._program(hook)
        try:
            of = parameters.resource(self._registry, hook.policy["spec"].get("paramKind"))
        except BadConfiguration as error:
            return Charge(hook, program, matched, trouble=str(error))
        meant = (b for b in hook.bindings if self._matched(b["spec"].get("matchResources"), request) is not None)
        return Charge(hook, program, matched, tuple(self._bound(binding, of, request) for binding in meant))

    def _bound(self, binding: Obj, of: Resource | None, request: AdmissionRequest) -> Bound:
        try:
            ref = binding["spec"].get("paramRef")
            return Bound(binding, parameters.stored(self._store, of, ref, request.namespace))
        except BadConfiguration as error:
            return Bound(binding, trouble=str(error))

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
        if record is None:
            return None
        if record is not self._decoded[0]:
            self._decoded = (record, raw(record))
        return self._decoded[1]

    def _authorize(self, question: Question) -> tuple[bool, str]:
        """For expressions, which may be evaluated beside the loop."""
        return aside.on_loop(lambda: self._decision(question))

    def _decision(self, question: Question) -> tuple[bool, str]:
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
            self._hooks = tuple(_bound_hooks(policies, bindings))
            self._lists = (policies, bindings)
            bound = {hook.record.key for hook in self._hooks}
            self._compiled = {key: made for key, made in self._compiled.items() if key in bound}
        return self._hooks

    async def _program(self, hook: Hook) -> Program:
        """The policy compiled, which waits for a request that its conditions don't rule out at first sight."""
        record = hook.record
        known = self._compiled.get(record.key)
        if known is None or known[0] is not record:
            spec = hook.policy["spec"]
            known = record, await aside.run(aside.LARGE, lambda: self._compiler.program(spec))
            self._compiled[record.key] = known
        return known[1]


def _bound_hooks(policies: Sequence[Record], bindings: Sequence[Record]) -> Iterator[Hook]:
    bound: dict[str, list[Obj]] = {}
    for binding in map(raw, bindings):
        bound.setdefault(binding["spec"]["policyName"], []).append(binding)
    for record in policies:
        if record.key.name in bound:
            policy = raw(record)
            yield Hook(record, policy, tuple(bound[record.key.name]), tuple(_refuted(policy["spec"])))


def _refuted(spec: Obj) -> Iterator[Refuted]:
    """What tells of a policy's conditions that they are not met. Parameters that are missing refuse before those are
    looked at."""
    for condition in () if spec.get("paramKind") else spec.get("matchConditions") or ():
        if (found := shortcut.refuted(condition["expression"], VARIABLES)) is not None:
            yield found


class _Remembering(Compiler):
    """Compiles once what is checked before it is stored, and then comes into force."""

    def __init__(self, authorize: Authorize) -> None:
        super().__init__(authorize)
        self._programs: dict[bytes, Program] = {}

    def program(self, spec: Obj) -> Program:
        key = dump(spec)
        if (known := self._programs.get(key)) is not None:
            return known
        if len(self._programs) >= _REMEMBERED:
            self._programs.clear()
        return self._programs.setdefault(key, super().program(spec))
