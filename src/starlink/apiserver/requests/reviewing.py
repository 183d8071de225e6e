"""Which review is asked for, and its answer as a response."""

from collections.abc import Callable

from starlink.apiserver import aside
from starlink.apiserver.requests import bodies, questions
from starlink.apiserver.requests.route import Route
from starlink.apiserver.resources.encoding import Obj, dump
from starlink.apiserver.resources.resource import Registry
from starlink.apiserver.security.authorization import reviews
from starlink.apiserver.security.authorization.authorizer import Authorizer
from starlink.apiserver.security.authorization.reviews import Authenticate
from starlink.http.media import JSON
from starlink.http.message import Request, Response, User

__all__ = ["Authenticate", "Reviews"]


class Reviews:
    """Answers reviews. `audiences` are those of the server's own tokens; `now` is epoch seconds."""

    def __init__(
        self,
        registry: Registry,
        authorizer: Authorizer,
        authenticate: Authenticate,
        audiences: tuple[str, ...],
        now: Callable[[], float],
    ) -> None:
        self._registry = registry
        self._authorizer = authorizer
        self._authenticate = authenticate
        self._audiences = audiences
        self._now = now

    async def create(self, request: Request, asked: Route) -> Response:
        """The answered review. Raises StatusError 400, 415 or 422."""
        namespace = asked.namespace or ""
        weight = bodies.weight(request)
        obj = await aside.run(weight, lambda: questions.read(request, self._registry, asked.resource, namespace))
        if asked.resource.kind == "SelfSubjectRulesReview":
            return await self._rules(request.user, obj)
        answered = await self._answered(request, asked, obj, weight)
        return Response(201, await aside.run(weight, lambda: dump(answered)), JSON)

    async def _rules(self, user: User, obj: Obj) -> Response:
        """Rules may be many however short the question, so what they weigh counts."""
        held = reviews.asked_grants(obj, user, self._authorizer)
        body = await aside.run(held.size, lambda: dump(reviews.self_subject_rules_review(obj, user, held.grants)))
        return Response(201, body, JSON)

    async def _answered(self, request: Request, asked: Route, obj: Obj, weight: int) -> Obj:
        user = request.user
        match asked.resource.kind:
            case "SelfSubjectAccessReview":
                return await reviews.self_subject_access_review(obj, user, self._authorizer, weight)
            case "SubjectAccessReview":
                return await reviews.subject_access_review(obj, self._authorizer, weight)
            case "LocalSubjectAccessReview":
                namespace = asked.namespace or ""
                return await reviews.local_subject_access_review(obj, namespace, self._authorizer, weight)
            case "SelfSubjectReview":
                return reviews.self_subject_review(obj, user, self._now())
            case _:
                return reviews.token_review(obj, self._authenticate, self._audiences)
