"""One client's requests: parsed, handed to the dispatcher one after another, and answered in order.

A connection is in one of four states, which no field names, for each follows from what the connection has:

    idle        no request in hand, nothing of one has come      a deadline for the next one to begin
    receiving   no request in hand, part of one has come         a deadline for the whole, and for each part of a body
    answering   a request in hand (`_call`), no stream           none
    streaming   a request in hand, and a stream (`_stream`)      none; it ends with its client or the client's rights

Only `_advance` takes a request in hand, and only when there is none; only `_put_down` puts one down. So there is one in
hand at most, and answers go out in the order of the requests, as HTTP/1.1 wants (RFC 9112, section 9.3.2), however many
were sent at once. A client that sends more than may be parsed ahead is not read from until its request in hand is
answered: what waits takes memory here, and the kernel's window holds the client back.

The connection ends in one of two ways. `finish` ends it after all that was written. `abort` ends it at once, so that
the client of a stream that failed sees a broken stream and not a complete one. Whatever ends it, `lost` comes last: it
abandons the request in hand, and an answer that comes after that is dropped.
"""

import asyncio
import logging
import math
from collections.abc import Hashable
from functools import partial

from starlink.api.errors import StatusError
from starlink.http import answers, dispatch
from starlink.http.accounts import payer
from starlink.http.call import Call
from starlink.http.channel import Channel
from starlink.http.gate import Gate
from starlink.http.incoming import Incoming
from starlink.http.message import ANONYMOUS, Answer, Response, Stream, User
from starlink.http.parser import RequestParser
from starlink.http.service import Service
from starlink.http.status import status_response

_AHEAD = 16  # requests parsed before the one in hand is answered
_PROGRESS = 16 * 1024  # of a body, within `body_seconds`
_SLOW_SECONDS = 1.0

log = logging.getLogger("starlink.apiserver.requests")


class Connection(Channel):
    """The state follows from what there is: a request in hand (`_call`), which may have become a stream, or none."""

    __slots__ = (
        "_began", "_call", "_clock", "_drained", "_gate", "_held_back", "_item", "_known", "_limits", "_parser",
        "_progress", "_receiving", "_revoked", "_service", "_stream", "_user", "_whole_by",
    )  # fmt: skip

    def __init__(self, service: Service) -> None:
        super().__init__(service.channels)
        self._service = service
        self._limits = service.channels.limits
        self._clock = service.channels.clock
        self._gate = Gate(service, self)
        self._parser = RequestParser(self._limits, self._gate.admit)
        self._item: Incoming | None = None  # the request in hand, or the last one
        self._call: Call | None = None
        self._stream: asyncio.Task[None] | None = None
        self._user: User = ANONYMOUS
        self._began = 0.0
        self._drained: asyncio.Future[None] | None = None
        self._receiving = False
        self._whole_by = math.inf  # what is received now
        self._progress = 0  # of its body, when that last was worth a new deadline
        self._held_back = False
        self._known = False  # the client has proved who it is
        self._revoked = False  # the stream's credentials are good no more

    def check(self, now: float) -> None:
        super().check(now)
        if self._stream is not None and self._item is not None and self._gate.has_revoked(self._item, self._user):
            self._revoked = True
            self._stream.cancel()

    def stop(self) -> None:
        """Ends the connection once a request in hand is answered; a stream ends as if it were complete."""
        if self._stream is not None:
            self._stream.cancel()
        elif self._call is None:
            self.finish()

    # What comes

    def received(self, data: bytes) -> None:
        parser = self._parser
        parser.feed(data)
        if self._call is None:
            self._advance()
        ahead = len(parser.ready) > _AHEAD or (self._call is not None and parser.in_body)
        if ahead and not self._held_back:
            self._held_back = True
            self.pause_reading()

    def client_ended(self) -> None:
        if self._stream is not None:
            self._stream.cancel()
        elif self._call is None and not self.congested:
            self.finish()

    def uncongested(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        elif self._call is None:
            self._advance()

    def expired(self) -> None:
        if self._receiving:
            self._item = None
            self._user = ANONYMOUS
            self._began = self._clock()
            self._send(self._timed_out(), close=True)
            self._parser.close()
        self.finish()

    def _timed_out(self) -> Response:
        if self._clock() < self._whole_by:
            return answers.stalled(_PROGRESS, self._limits.body_seconds)
        return answers.timed_out(self._limits.request_seconds)

    def lost(self) -> None:
        if self._call is not None:
            self._call.abandon()
        if self._stream is not None:
            self._stream.cancel()
        self._call = self._item = None
        self._parser.close()

    def _advance(self) -> None:
        """Begins the next request that is whole, or waits for one."""
        ready = self._parser.ready
        while self._call is None and not (self.closing or self.congested):
            if not ready:
                self._await_request()
                return
            self._begin(ready.popleft())

    def _await_request(self) -> None:
        parser = self._parser
        if self.ended or self._service.channels.stopping:
            self.finish()
            return
        if not parser.begun:
            self._receiving = False
            if self._item is not None:
                self.deadline = self._clock() + self._limits.idle_seconds
        else:
            self._follow_progress()
        if parser.wants_continue:
            parser.wants_continue = False
            self.write(answers.CONTINUE)
        if self._held_back:
            self._held_back = False
            self.resume_reading()

    def _follow_progress(self) -> None:
        """A request has a time to be whole, and its body one for each part, lest it takes room for nothing."""
        parser = self._parser
        if not self._receiving:
            self._receiving = True
            self.deadline = self._whole_by = self._clock() + self._limits.request_seconds
            self._progress = -_PROGRESS
        if parser.in_body and parser.body_size - self._progress >= _PROGRESS:
            self._progress = parser.body_size
            self.deadline = min(self._whole_by, self._clock() + self._limits.body_seconds)

    def _begin(self, item: Incoming | StatusError) -> None:
        self.deadline = math.inf
        self._receiving = False
        self._began = self._clock()
        self._user = ANONYMOUS
        if isinstance(item, StatusError):
            self._item = None
            self._send(status_response(item), close=True)
            self.finish()
            return
        self._item = item
        if item.expects:
            self.write(answers.CONTINUE)
        if (refusal := self._submit(item)) is not None:
            self._complete(refusal)

    def _submit(self, item: Incoming) -> Response | None:
        """Hands a request to the dispatcher; gives the answer when that is a refusal."""
        service = self._service
        if not self.admitted:
            return answers.too_many_requests()
        try:
            user = self._gate.user(item)
        except StatusError as error:
            self._gate.tell_refused(item, error)
            return status_response(error)
        self._user = user
        if not self._known:
            self._known = user is not ANONYMOUS
            self.spoke(known=self._known)
        request = self._gate.request(item, user)
        call = self._call = Call(request, service.account(request), self._reply)
        if service.dispatcher.submit(call):
            return None
        return answers.too_many_requests()

    def _payer(self) -> Hashable:
        """On whose account the request goes."""
        return payer(self._user, self.remote)

    # Answers

    def _reply(self, answer: Answer) -> None:
        """Takes the handler's answer."""
        if isinstance(answer, Stream):
            self._stream = asyncio.get_running_loop().create_task(self._stream_out(answer))
            return
        assert isinstance(answer, Response)
        self._service.outbox.send(partial(self._answer, self._call, answer))

    def _answer(self, call: Call | None, response: Response) -> None:
        """Answers a call, unless the connection was lost meanwhile, and goes on."""
        if call is not None and not call.abandoned:
            self._complete(response)
            self._advance()

    def _complete(self, response: Response) -> None:
        """Answers the request in hand; afterwards there is none."""
        item = self._item
        assert item is not None
        close = not item.keep or not self.admitted or self.ended or self._service.channels.stopping
        self._send(response, close=close, head_only=item.method == "HEAD")
        self._put_down(item, close)

    def _put_down(self, item: Incoming, close: bool) -> None:
        self._call = None
        if item.body:
            self._parser.release()
        if close:
            self.finish()

    def _send(self, response: Response, *, close: bool, head_only: bool = False) -> None:
        self._service.outbox.settle()
        self.write(answers.whole(response, close=close, head_only=head_only, date=self._service.date))
        seconds = self._clock() - self._began
        if seconds > _SLOW_SECONDS:
            log.warning("a slow request", extra=self._said(response.status, seconds))
        elif log.isEnabledFor(logging.DEBUG):
            log.debug("request", extra=self._said(response.status, seconds))

    def _said(self, status: int, seconds: float) -> dict[str, object]:
        item = self._item
        asked = {"method": item.method, "path": item.path} if item else {}
        ms = round(seconds * 1000, 1)
        return {**asked, "status": status, "ms": ms, "user": self._user.name, "remote": self.remote}

    # Streams

    async def _stream_out(self, stream: Stream) -> None:
        item, payer = self._item, self._payer()
        assert item is not None
        if item.method == "HEAD":
            await self._answer_stream(stream, Response(stream.status, b"", stream.headers))
        elif not self._service.streams.take(payer):
            await self._answer_stream(stream, answers.too_many_streams(self._user.name))
        else:
            await self._send_stream(stream, item, payer)

    async def _answer_stream(self, stream: Stream, response: Response) -> None:
        """Answers with something else than the stream."""
        await dispatch.close(stream)
        self._stream = None
        if not self.gone:
            self._reply(response)

    async def _send_stream(self, stream: Stream, item: Incoming, payer: Hashable) -> None:
        if log.isEnabledFor(logging.DEBUG):
            log.debug("request", extra=self._said(stream.status, self._clock() - self._began))
        complete = False
        try:
            await self._send_chunks(stream, item)
            complete = True
        except asyncio.CancelledError:
            complete = self._service.channels.stopping or self._revoked
        except Exception:
            log.exception("a stream failed", extra={"path": item.path})
        finally:
            self._service.streams.give_back(payer)
            await dispatch.close(stream)
            self._stream = self._drained = None
        if not self.gone:
            self._end_stream(item, complete)

    async def _send_chunks(self, stream: Stream, item: Incoming) -> None:
        head = answers.head(stream.status, stream.headers, close=not item.keep) + self._service.date
        self.write(head + (answers.CHUNKED if item.chunks else answers.UNTIL_CLOSE))
        async for data in stream.chunks:
            if self._gate.has_revoked(item, self._user):
                return
            if data:
                self.write(answers.chunk(data) if item.chunks else data)
            if self.congested:
                self._drained = asyncio.get_running_loop().create_future()
                await self._drained

    def _end_stream(self, item: Incoming, complete: bool) -> None:
        if not complete:
            self.abort()
            return
        if item.chunks:
            self.write(answers.LAST_CHUNK)
        self._put_down(item, close=not item.keep or self._service.channels.stopping)
        self._advance()
