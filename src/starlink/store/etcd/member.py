"""One member of the cluster, and the connection to it."""

import asyncio
import contextlib
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from starlink.store.etcd import etcd_pb2 as pb
from starlink.store.etcd.endpoint import Endpoint
from starlink.store.etcd.rpc import STATUS, WATCH, Method, T, said, serialize

_CONNECT_SECONDS = 1.0
_REASON_SECONDS = 0.2

# Without ping_timeout_ms a peer that vanished is noticed after 63 s. etcd closes connections that
# are pinged more often than every 5 s, or without a call.
_OPTIONS = (
    ("grpc.keepalive_time_ms", 6000),
    ("grpc.keepalive_timeout_ms", 2000),
    ("grpc.http2.ping_timeout_ms", 2000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)
# A member that has no leader refuses at once instead of keeping quiet.
_HAS_LEADER = (("hasleader", "true"),)


class Member:
    """One endpoint."""

    def __init__(self, endpoint: Endpoint, credentials: grpc.ChannelCredentials | None) -> None:
        self.endpoint = endpoint
        self._calls: dict[str, Any] = {}
        self._channel = (
            grpc.aio.insecure_channel(endpoint.address, options=_OPTIONS)
            if credentials is None
            else grpc.aio.secure_channel(endpoint.address, credentials, options=_OPTIONS)
        )

    async def connects(self) -> bool:
        """Whether it is connected; waits for a connection that is being made, but not for a second try."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CONNECT_SECONDS):
                while (state := self._channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
                    if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                        return False
                    await self._channel.wait_for_state_change(state)
                return True
        return False

    async def why_not(self) -> str:
        """Why it does not connect."""
        try:
            await self.ask(STATUS, pb.StatusRequest(), _REASON_SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                return said(error)
        return "it can't be reached"

    async def ask(self, method: Method[T], request: Message, seconds: float) -> T:
        """One call. Raises AioRpcError."""
        call = self._calls.get(method.path)
        if call is None:
            call = self._calls[method.path] = self._channel.unary_unary(
                method.path, request_serializer=serialize, response_deserializer=method.parse
            )
        answer: T = await call(request, timeout=seconds, metadata=_HAS_LEADER)
        return answer

    def watch(self) -> Any:
        """A stream of WatchRequest to WatchResponse."""
        call = self._channel.stream_stream(
            WATCH, request_serializer=serialize, response_deserializer=pb.WatchResponse.FromString
        )
        return call(metadata=_HAS_LEADER)

    async def close(self) -> None:
        await self._channel.close(grace=None)
