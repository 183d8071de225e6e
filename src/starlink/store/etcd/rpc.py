"""etcd's methods, and what is told of a call that failed."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from starlink.store.etcd import etcd_pb2 as pb
from starlink.store.etcd.errors import Lost

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

_OF_ETCD = re.compile(r"etcdserver: [a-z][a-zA-Z ,'()-]*(?:: [a-z ]+)?")
_OF_GRPC = (
    ("CERTIFICATE_VERIFY_FAILED", "its certificate can't be verified with the CA that was given"),
    ("Hostname Verification", "its certificate is of another name"),
    ("andshake", "the TLS handshake failed: it may want a client certificate, or speak no TLS"),
    ("Connection refused", "it refuses connections"),
    ("No route to host", "there is no route to it"),
    ("DNS", "its name can't be resolved"),
    ("imeout", "it did not answer in time"),
    ("Socket closed", "the connection broke"),
    ("Connection reset", "the connection broke"),
)
"""What gRPC tells of a connection, by what stands in it, and what is told of it."""


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


def said(error: grpc.aio.AioRpcError | TimeoutError | Lost) -> str:
    """What went wrong, in words that any client may read. Sentences of etcd's are handed on. Those of gRPC are not:
    they name addresses, and whatever else stood in the way."""
    if isinstance(error, Lost):
        return str(error)
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    details = error.details() or ""
    if _OF_ETCD.fullmatch(details):
        return f"{error.code().name}: {details}"
    known = (words for mark, words in _OF_GRPC if mark in details)
    return f"{error.code().name}: {next(known, 'the call failed')}"


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
