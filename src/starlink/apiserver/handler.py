"""The framework-free core: a request in, a response or a stream out."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec.structs import replace

from starlink.api.errors import StatusError
from starlink.apiserver import aside
from starlink.apiserver.bootstrap import bootstrap
from starlink.apiserver.controllers.aggregation import aggregate
from starlink.apiserver.controllers.expiry import expire
from starlink.apiserver.controllers.garbage import GarbageCollector
from starlink.apiserver.controllers.signing import CertificateController
from starlink.apiserver.definitions.lifecycle import Definitions
from starlink.apiserver.names import BULK_WRITES
from starlink.apiserver.objects import Admission, Objects
from starlink.apiserver.policies import Policies
from starlink.apiserver.precedence import account
from starlink.apiserver.requests.admission import ANNOTATIONS, RequestAdmission
from starlink.apiserver.requests.audit import AuditLog, entry, is_audited, unauthenticated
from starlink.apiserver.requests.bulk import answering
from starlink.apiserver.requests.guard import Guard
from starlink.apiserver.requests.monitoring.metrics import Metrics
from starlink.apiserver.requests.pages import Pages
from starlink.apiserver.requests.reading.open_watches import OpenWatches
from starlink.apiserver.requests.reading.reads import Reads
from starlink.apiserver.requests.refusals import Refusals
from starlink.apiserver.requests.reviewing import Authenticate, Reviews
from starlink.apiserver.requests.route import Route, Router
from starlink.apiserver.requests.writing.writes import Writes
from starlink.apiserver.resources.resource import Registry
from starlink.apiserver.security.authentication.tokens import TokenIssuer
from starlink.apiserver.security.authorization import impersonation
from starlink.apiserver.security.certificates.issuing import Signer
from starlink.http.message import ANONYMOUS, Answer, Parts, Request, Response
from starlink.http.status import status_response
from starlink.store.base import Store

log = logging.getLogger(__name__)

_READS = ("get", "list", "watch")
_REFUSED = 400
_CLIENT_GONE = 499  # as web servers log it; nobody is answered so


class Api:
    """The API over a store. `now` is epoch seconds, `clock` seconds of any beginning; `rng` names, numbers and jitter;
    `authenticate` gives a bearer token's user; `sign` signs certificates, which without it are signed elsewhere;
    `debugging` serves `/debug`."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        tokens: TokenIssuer,
        *,
        version: str,
        authenticate: Authenticate,
        now: Callable[[], float],
        clock: Callable[[], float],
        rng: random.Random,
        audit: AuditLog | None = None,
        sign: Signer | None = None,
        debugging: bool = False,
    ) -> None:
        self.store = store
        self.registry = registry
        self.objects = Objects(store, now, rng)
        self.guard = Guard(store, registry)
        self.metrics = Metrics(store, registry)
        self._now = now
        self._clock = clock
        self._audit = audit
        self._refusals = Refusals(audit, _later) if audit is not None else None
        self._policies = Policies(store, registry, self.guard.authorizer)
        self._certificates = CertificateController(self.objects, registry, sign, now)
        self._pages = Pages(registry, self.guard, self.metrics, lambda: store.problem, version, debugging=debugging)
        self._router = Router(registry)
        watches = OpenWatches(registry)
        self._definitions = Definitions(self.objects, registry, watches.end)
        self._reads = Reads(self.objects, watches, now, rng)
        self._writes = Writes(self.objects, registry, self._definitions, tokens, self._admission, now)
        self._reviews = Reviews(registry, self.guard.authorizer, authenticate, (tokens.issuer,), now)
        self._background: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Opens the store, makes what must be there, and starts the background work."""
        await self.store.open()
        self.guard.assignments.follow()
        await self._definitions.load()
        await bootstrap(self.objects, self.registry, self._definitions)
        for work in (
            GarbageCollector(self.objects, self.registry).run(),
            self._definitions.run(),
            aggregate(self.objects, self.registry),
            self._certificates.run(),
            self._certificates.sweep(),
            expire(self.objects, self.registry, self._now),
        ):
            self._background.append(asyncio.create_task(work))

    async def stop(self) -> None:
        """Stops the background work and closes the store."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.store.close()

    async def handle(self, request: Request) -> Answer:
        """Answers; a refusal is a Status, and never a traceback."""
        began = self._clock()
        outcome = _Outcome()
        ANNOTATIONS.set(outcome.annotations)
        aside.ACCOUNT.set(account(request))
        try:
            answer = await self._answer(request, outcome)
        except StatusError as error:
            outcome.reason = error.message
            answer = status_response(error)
        except asyncio.CancelledError:
            outcome.reason = "the client went away before it was answered; what it asked for may have been done"
            self._note(request, outcome, Response(_CLIENT_GONE), self._clock() - began)
            raise
        except Exception:
            log.exception("a request failed", extra={"method": request.method, "path": request.path})
            outcome.reason = "Internal error occurred; the server's log says more"
            answer = status_response(StatusError(500, "InternalError", outcome.reason))
        self._note(request, outcome, answer, self._clock() - began)
        return answer

    def _note(self, request: Request, outcome: "_Outcome", answer: Answer, seconds: float) -> None:
        """Counts the request, and writes it into the audit log."""
        asked = outcome.asked
        self.metrics.answered(asked, answer.status, seconds)
        if self._audit is None or asked is None or not is_audited(asked) or isinstance(answer, Parts):
            return
        told = entry(outcome.request or request, asked, answer, outcome.reason, outcome.annotations)
        if self._refusals is not None and request.user is ANONYMOUS and answer.status >= _REFUSED:
            self._refusals.write(request.remote, told)
        else:
            self._audit.write(told)

    def precheck(self, request: Request) -> StatusError | None:
        """Why a request is refused whatever its body says, which has not come; None where that is not certain. A
        refusal is noted as any other is."""
        outcome = _Outcome()
        try:
            self._check_head(request, outcome)
        except StatusError as error:
            outcome.reason = error.message
            self._note(request, outcome, status_response(error), 0.0)
            return error
        return None

    def _check_head(self, request: Request, outcome: "_Outcome") -> None:
        """Raises StatusError. As whom it is to be done, if not as its sender, is decided later."""
        if impersonation.is_wanted(request.headers) or self._pages.is_open(request.path):
            return
        try:
            outcome.asked = self._router.known(request) or self._router.route(request)
        except StatusError:
            self.guard.check_head(request, None)
        else:
            self.guard.check_head(request, outcome.asked)

    def refused(self, request: Request, why: str, claimed: str) -> None:
        """Writes into the audit log that a request's credentials were not good."""
        if self._refusals is not None:
            self._refusals.write(request.remote, unauthenticated(request, why, claimed))

    async def _answer(self, request: Request, outcome: "_Outcome") -> Answer:
        if impersonation.is_wanted(request.headers):
            with contextlib.suppress(StatusError):
                outcome.asked = self._router.route(request)  # so that a refusal to act as somebody else is noted
            request = outcome.request = await self.guard.acting(request)
        asked = self._router.known(request)
        if asked is None:
            page = await self._pages.response(request)
            if page is not None:
                return page
            asked = await self._route(request)
        outcome.asked = asked
        return await self._resource(request, asked, outcome)

    async def _route(self, request: Request) -> Route:
        """Raises StatusError: 403 before 404 and 405, for who may not ask is not told what there is."""
        try:
            return self._router.route(request)
        except StatusError:
            await self.guard.check_unserved(request)
            raise

    async def _resource(self, request: Request, asked: Route, outcome: "_Outcome") -> Answer:
        request = await self.guard.passed(request, asked)
        answer = await self._answer_resource(request, asked, outcome)
        if asked.resource.warning:
            told = [answer.headers["warning"]] if "warning" in answer.headers else []
            headers = {**answer.headers, "warning": ", ".join([f'299 - "{asked.resource.warning}"', *told])}
            return replace(answer, headers=headers)
        return answer

    async def _answer_resource(self, request: Request, asked: Route, outcome: "_Outcome") -> Answer:
        if asked.verb in _READS and request.query.get("resourceVersion"):
            await self._reads.reach(request, asked)
        await self._definitions.make_ready(asked.resource, reads=asked.verb in _READS)
        match asked.verb:
            case "get":
                return self._reads.get(request, asked)
            case "list":
                return await self._reads.list(request, asked)
            case "watch":
                return self._reads.watch(request, asked)
            case "create" if asked.resource.storage == BULK_WRITES:
                return await answering.answer(request, asked)
            case "create" if not asked.resource.persistent:
                return await self._reviews.create(request, asked)
            case "create":
                return await self._writes.create(request, asked)
            case "update":
                return await self._writes.update(request, asked)
            case "patch":
                return await self._writes.patch(request, asked)
            case "delete":
                return await self._writes.delete(request, asked)
            case _:
                selected = await self._reads.selected(request, asked)
                return await self._writes.delete_collection(request, asked, selected)

    def _admission(self, request: Request, asked: Route, dry_run: bool) -> Admission:
        return RequestAdmission(self.guard, self.registry, self._policies, request, asked, dry_run, self._now())


@dataclass
class _Outcome:
    """What became known of a request while it was answered; `request` is as whom it was done, if not its sender."""

    asked: Route | None = None
    request: Request | None = None
    reason: str = ""
    annotations: dict[str, str] = field(default_factory=dict)


def _later(seconds: float, call: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(seconds, call)
