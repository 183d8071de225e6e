"""What stands before every request: may its sender do this, and may this be written."""

import dataclasses

from msgspec.structs import replace

from starlink.api import errors
from starlink.apiserver import aside
from starlink.apiserver.names import EVENTS, NAMESPACES
from starlink.apiserver.requests import bodies, route
from starlink.apiserver.requests.route import Route
from starlink.apiserver.resources import encoding, selectors
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Registry, Resource
from starlink.apiserver.security.authorization import agent_access, agent_writes, authorizer, escalation, impersonation
from starlink.apiserver.security.authorization.agent_access import Verdict
from starlink.apiserver.security.authorization.assignments import Assignments
from starlink.apiserver.security.authorization.authorizer import Authorizer
from starlink.apiserver.security.authorization.rbac import Attributes, Decision
from starlink.apiserver.security.certificates import signing_requests
from starlink.http.message import Request, User
from starlink.store.base import Key, Store

_SELECTABLE = ("metadata.name", "spec.server")


class Guard:
    """Authorization of requests over one store."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self.assignments = Assignments(store)
        self.authorizer = Authorizer(store, self._agent)

    async def passed(self, request: Request, asked: Route) -> Request:
        """The request that may be done. Its body is decoded, once and beside the loop, only where what decides is in
        it. Raises as `check`, and StatusError 400 or 415."""
        attributes = self._attributes(request, asked)
        if not agent_access.is_named_in_body(request.user, attributes):
            await self._demand(request.user, attributes)
            if asked.subresource != "token" or agent_access.agent_server(request.user) is None:
                return request
        obj = await aside.run(bodies.weight(request), lambda: bodies.read(request, self._registry))
        request = replace(request, decoded=obj)
        await self.check(request, asked)
        return request

    async def check(self, request: Request, asked: Route) -> None:
        """Of a request whose body is decoded where an agent's rule looks at it. Raises StatusError 403, and 404 where
        an agent asks for an assignment that is not there."""
        await self._demand(request.user, self._attributes(request, asked))
        if asked.subresource == "token" and agent_access.agent_server(request.user) is not None:
            self._check_token(request, asked)

    def _check_token(self, request: Request, asked: Route) -> None:
        """An agent's token is bound to its account alone: the answer would tell which Secrets there are. Raises
        StatusError 403."""
        spec = (request.decoded or {}).get("spec")
        if isinstance(spec, dict) and spec.get("boundObjectRef"):
            why = "spec.boundObjectRef: an agent's token is bound to its account alone"
            raise errors.forbidden("", asked.resource.plural, asked.name, why)

    def check_head(self, request: Request, asked: Route | None) -> None:
        """Refuses a request before its body is read, where the rules already decide and are quickly looked through.
        `asked` is None for a path that is not served. Raises as `check`."""
        attributes = self._attributes(request, asked) if asked is not None else route.attributes(request)
        unknown = agent_access.is_named_in_body if asked is not None else agent_access.may_ask
        if unknown(request.user, attributes):
            return
        decision = self.authorizer.at_once(request.user, attributes)
        if decision is not None and not decision.allowed:
            raise authorizer.forbidden(request.user, attributes, decision.reason)

    async def check_path(self, request: Request) -> None:
        """The same for a path that is no resource. Raises StatusError 403."""
        await self._demand(request.user, route.path_attributes(request))

    async def check_unserved(self, request: Request) -> None:
        """The same for what is not served, or not with this method: who may not ask for it is not told so.
        Raises as `check`."""
        attributes = route.attributes(request)
        if not agent_access.may_ask(request.user, attributes):
            await self._demand(request.user, attributes)

    async def check_grant(self, request: Request, asked: Route, obj: Obj, old: Obj | None) -> None:
        """Nobody gives more than they hold. Raises StatusError 403, 404 or 422."""
        await escalation.check(self.authorizer, request.user, asked.resource, obj, old)

    def check_agent(self, user: User, resource: Resource, obj: Obj, old: Obj | None) -> None:
        """An agent writes no more than is its own; others are not looked at. Raises StatusError 403, which names the
        first field that is not."""
        server = agent_access.agent_server(user)
        if server is None:
            return
        for field, why in agent_writes.faults(server, resource, obj, old, self._latest):
            told = f"{field}: {why}" if field else why
            refused = errors.forbidden(resource.group, resource.plural, obj["metadata"].get("name", ""), told)
            raise dataclasses.replace(refused, causes=(errors.Cause("FieldValueForbidden", why, field),))

    async def impersonated(self, request: Request) -> User:
        """The user that the request is to be done as: its sender, unless its headers say otherwise.

        Raises StatusError 400 or 403.
        """
        wanted = impersonation.read(request.headers)
        if wanted is None:
            return request.user
        for attributes in wanted.needed():
            await self._demand(request.user, attributes)
        return wanted.user()

    async def acting(self, request: Request) -> Request:
        """The request as whom it is to be done. Raises as `impersonated`."""
        user = await self.impersonated(request)
        return request if user is request.user else replace(request, user=user, sender=request.user)

    async def _demand(self, user: User, attributes: Attributes) -> None:
        decision = await self.authorizer.decided(user, attributes)
        if not decision.allowed:
            raise authorizer.forbidden(user, attributes, decision.reason)

    def _attributes(self, request: Request, asked: Route) -> Attributes:
        fields: tuple[tuple[str, str], ...] = ()
        name = asked.name
        if asked.verb in ("list", "watch") and request.query.get("fieldSelector"):
            selector = selectors.parse(asked.resource, "", request.query["fieldSelector"])
            demanded = ((path, selector.required(path)) for path in _SELECTABLE)
            fields = tuple((path, value) for path, value in demanded if value is not None)
            name = selector.required("metadata.name") or ""
        return Attributes(
            asked.verb,
            asked.resource.group,
            asked.resource.version,
            asked.resource.plural,
            asked.subresource,
            asked.namespace or (asked.name if asked.resource.storage == NAMESPACES else ""),
            name or _named_in_body(request, asked),
            fields=fields,
        )

    def _agent(self, user: User, asked: Attributes) -> Decision | None:
        match agent_access.verdict(user, asked):
            case None:
                return None
            case Verdict.ALLOW:
                return Decision(True)
            case Verdict.ALLOW_ON_SERVER if self._on_own_server(user, asked):
                return Decision(True)
            case Verdict.ALLOW_IF_REFERRED if self._is_referred(user, asked):
                return Decision(True)
            case Verdict.ALLOW_IF_REPORTED if self._has_reported(user, asked):
                return Decision(True)
            case Verdict.ALLOW_IF_REQUESTED if self._has_requested(user, asked):
                return Decision(True)
            case _:
                return Decision(False, agent_access.REFUSED)

    def _on_own_server(self, user: User, asked: Attributes) -> bool:
        record = self._store.latest(Key(agent_writes.ASSIGNMENTS, asked.namespace, asked.name))
        if record is None:
            raise errors.not_found(asked.group, asked.resource, asked.name)
        return bool(encoding.raw(record)["spec"]["server"] == agent_access.agent_server(user))

    def _has_reported(self, user: User, asked: Attributes) -> bool:
        event = self._latest(Key(EVENTS, asked.namespace, asked.name))
        server = agent_access.agent_server(user)
        return event is None or (server is not None and agent_writes.is_own_event(event, server))

    def _has_requested(self, user: User, asked: Attributes) -> bool:
        request = self._latest(Key(signing_requests.STORAGE, "", asked.name))
        return request is None or request["spec"].get("username") == user.name

    def _latest(self, key: Key) -> Obj | None:
        record = self._store.latest(key)
        return encoding.raw(record) if record is not None else None

    def _is_referred(self, user: User, asked: Attributes) -> bool:
        """Whether an assignment of the agent's server refers to the Secret or ConfigMap."""
        server = agent_access.agent_server(user)
        return server is not None and self.assignments.refer(server, asked.resource, asked.namespace, asked.name)


def _named_in_body(request: Request, asked: Route) -> str:
    """The name that an agent's create means: it may make only what bears its server's."""
    if asked.verb != "create" or agent_access.agent_server(request.user) is None:
        return ""
    meta = (request.decoded or {}).get("metadata")
    return str(meta.get("name", "")) if isinstance(meta, dict) else ""
