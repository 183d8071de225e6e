"""Heartbeats and decisions have more turns than reports."""

import pytest

from starlink.apiserver.precedence import CONTROL, HEARTBEAT, weight
from starlink.http.fairness import ORDINARY
from starlink.http.message import OPERATOR, Request, User


@pytest.mark.parametrize(
    ("path", "user", "expected"),
    [
        ("/apis/coordination.k8s.io/v1/namespaces/starlink-servers/leases/s1", "agent", HEARTBEAT),
        ("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/starlink-operator", OPERATOR, HEARTBEAT),
        ("/apis/starlink.dev/v1alpha1/namespaces/default/assignments", OPERATOR, CONTROL),
        ("/apis/starlink.dev/v1alpha1/namespaces/default/assignments/a/status", "agent", ORDINARY),
        ("/api/v1/namespaces/leases/configmaps", "agent", ORDINARY),
    ],
)
def test_weights(path: str, user: str, expected: int) -> None:
    assert weight(Request("PATCH", path, user=User(user))) == expected
