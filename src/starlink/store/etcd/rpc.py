"""etcd's methods, and what is told of a call that failed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from starlink.store.etcd import etcd_pb2 as pb

T = TypeVar("T")

NO_LEADER = "etcdserver: no leader"
_PASSING = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
    }
)


@dataclass(frozen=True, slots=True)
class Method(Generic[T]):
    """A call with one request and one answer."""

    path: str
    parse: Callable[[bytes], T]


RANGE = Method("/etcdserverpb.KV/Range", pb.RangeResponse.FromString)
TXN = Method("/etcdserverpb.KV/Txn", pb.TxnResponse.FromString)
COMPACT = Method("/etcdserverpb.KV/Compact", pb.CompactionResponse.FromString)
STATUS = Method("/etcdserverpb.Maintenance/Status", pb.StatusResponse.FromString)
WATCH = "/etcdserverpb.Watch/Watch"


def serialize(message: Message) -> bytes:
    return message.SerializeToString()


def passes(error: grpc.aio.AioRpcError) -> bool:
    """Whether another member, or the same one later, may answer."""
    return error.code() in _PASSING


def said(error: BaseException) -> str:
    """What went wrong, for a person."""
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return "it did not answer in time" if isinstance(error, TimeoutError) else str(error)


def if_at(raw: bytes, revision: int, *operations: pb.RequestOp) -> pb.TxnRequest:
    """`operations` if the key is at `revision`, else what it holds."""
    compare = pb.Compare(
        result=pb.Compare.CompareResult.EQUAL,
        target=pb.Compare.CompareTarget.MOD,
        key=raw,
        mod_revision=revision,
    )
    return pb.TxnRequest(compare=[compare], success=operations, failure=[pb.RequestOp(request_range={"key": raw})])


def put(raw: bytes, value: bytes) -> pb.RequestOp:
    return pb.RequestOp(request_put={"key": raw, "value": value})


def delete(raw: bytes, end: bytes = b"") -> pb.RequestOp:
    """Of one key, or of all from it up to `end`."""
    return pb.RequestOp(request_delete_range={"key": raw, "range_end": end})
