"""Protobuf bodies, against what a real client library encodes: field numbers of Kubernetes' own definitions."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlink.apiserver.kinds.builtin import builtin_resources
from starlink.apiserver.protobuf_wire import BadProtobuf
from starlink.apiserver.requests import protobuf
from starlink.apiserver.schema.meta import part

SCHEMAS = {(r.api_version, r.kind): r.schema.openapi for r in builtin_resources()}


def schema_of(api_version: str, kind: str) -> Mapping[str, Any] | None:
    return part("DeleteOptions") if kind == "DeleteOptions" else SCHEMAS.get((api_version, kind))


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\0" + field(1, field(1, api_version) + field(2, kind)) + field(2, raw) + field(3, "") + field(4, "")


def decode(api_version: str, kind: str, raw: bytes) -> dict[str, Any]:
    return protobuf.decode(envelope(api_version, kind, raw), schema_of)


def test_a_secret() -> None:
    meta = field(1, "s1") + field(3, "default") + field(11, field(1, "app") + field(2, "web")) + field(8, b"")
    raw = field(1, meta) + field(2, field(1, "password") + field(2, b"\x00\xff")) + field(3, "Opaque") + field(5, 1)
    assert decode("v1", "Secret", raw) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s1", "namespace": "default", "labels": {"app": "web"}},
        "data": {"password": "AP8="},
        "type": "Opaque",
        "immutable": True,
    }


def test_a_role_a_lease_and_a_revision() -> None:
    rule = field(1, "get") + field(1, "list") + field(2, "") + field(3, "secrets")
    assert decode("rbac.authorization.k8s.io/v1", "Role", field(2, rule))["rules"] == [
        {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["secrets"]}
    ]
    renewed = field(1, 1_700_000_000) + field(2, 250_000_000)
    lease = decode("coordination.k8s.io/v1", "Lease", field(2, field(2, 15) + field(4, renewed)))
    assert lease["spec"] == {"leaseDurationSeconds": 15, "renewTime": "2023-11-14T22:13:20.250000Z"}
    data = field(2, field(1, json.dumps({"a": [1]}))) + field(3, 7)
    revision = decode("apps/v1", "ControllerRevision", data)
    assert (revision["data"], revision["revision"]) == ({"a": [1]}, 7)


def test_maps_of_lists_and_options() -> None:
    extra = field(5, field(1, "scopes") + field(2, field(1, "a") + field(1, "b")))
    review = decode("authorization.k8s.io/v1", "SubjectAccessReview", field(2, field(3, "bob") + extra))
    assert review["spec"] == {"user": "bob", "extra": {"scopes": ["a", "b"]}}
    options = decode("v1", "DeleteOptions", field(1, 0) + field(4, "Foreground") + field(2, field(1, "uid-1")))
    assert options == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Foreground",
        "preconditions": {"uid": "uid-1"},
    }


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{}", "does not begin"),
        (envelope("v1", "Pod", b""), "v1 Pod is not read as protobuf"),
        (envelope("v1", "Secret", field(99, "x")), "Secret has a field 99"),
        (envelope("v1", "Secret", b"\x0a\x7f"), "cut off"),
        (envelope("v1", "Secret", field(1, 5)), "Secret.metadata must not be a number"),
        (envelope("v1", "Secret", field(3, b"\xff")), "Secret.type is not UTF-8"),
        (envelope("v1", "Secret", b"\x0b"), "wire type 3"),
        (b"k8s\0" + b"\xff" * 12, "too long"),
    ],
)
def test_what_is_wrong_is_said(body: bytes, said: str) -> None:
    with pytest.raises(BadProtobuf, match=said):
        protobuf.decode(body, schema_of)


@given(st.binary(max_size=200), st.sampled_from(sorted(SCHEMAS)))
def test_no_bytes_do_more_than_be_refused(raw: bytes, kind: tuple[str, str]) -> None:
    try:
        obj = decode(*kind, raw)
    except BadProtobuf:
        return
    assert (obj["apiVersion"], obj["kind"]) == kind
