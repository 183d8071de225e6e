"""The members of the cluster, one of which is used until it fails."""

import asyncio
from collections.abc import Sequence

import grpc
import grpc.aio
from google.protobuf.message import Message

from starlink.store.base import StoreUnavailable
from starlink.store.etcd.endpoint import Endpoint
from starlink.store.etcd.member import Member
from starlink.store.etcd.rpc import Method, T, passes, said

PAUSE = 0.1
READ_SECONDS = 10.0


class Cluster:
    """Connections to all endpoints; `problem` is what last went wrong."""

    def __init__(self, endpoints: Sequence[Endpoint], credentials: grpc.ChannelCredentials | None) -> None:
        self._members = [Member(endpoint, credentials) for endpoint in endpoints]
        self._current = 0
        self.problem = ""

    def __str__(self) -> str:
        return self.name + (f" (last: {self.problem})" if self.problem else "")

    @property
    def name(self) -> str:
        """Its endpoints."""
        return "etcd at " + ", ".join(str(member.endpoint) for member in self._members)

    async def ready(self) -> Member:
        """A connected member; waits for one without end."""
        while True:
            for _ in self._members:
                member = self._members[self._current]
                if await member.connects():
                    return member
                self.leave(member, await member.why_not())
            await asyncio.sleep(PAUSE)

    def leave(self, member: Member, problem: str) -> None:
        """Turns to the next member, unless others have already left this one."""
        self.problem = f"{member.endpoint}: {problem}"
        if self._members[self._current] is member:
            self._current = (self._current + 1) % len(self._members)

    async def read(self, method: Method[T], request: Message) -> T:
        """Asks what may be asked twice. Raises StoreUnavailable, AioRpcError when it was refused."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await self._read(method, request)
        except TimeoutError:
            raise StoreUnavailable(f"no answer within {READ_SECONDS:g} s from {self}") from None

    async def _read(self, method: Method[T], request: Message) -> T:
        while True:
            member = await self.ready()
            try:
                return await member.ask(method, request, READ_SECONDS / 3)
            except grpc.aio.AioRpcError as error:
                if not passes(error):
                    raise
                self.leave(member, said(error))
            await asyncio.sleep(PAUSE)

    async def close(self) -> None:
        for member in self._members:
            await member.close()
