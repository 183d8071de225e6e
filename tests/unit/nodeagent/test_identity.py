"""Which token an agent renews: its own account's, and not one that a kubelet renews."""

import base64
import json
from typing import Any

import pytest

from starlink.api.meta import ObjectKey
from starlink.client.token import is_of_pod
from starlink_nodeagent.server.identity import is_own

OWN = ObjectKey("starlink-servers", "s1")
ACCOUNT = "system:serviceaccount:starlink-servers:s1"


def token(sub: str, **bound: Any) -> str:
    claims = {"iat": 0, "exp": 100, "sub": sub} | ({"kubernetes.io": {"namespace": "n", **bound}} if bound else {})
    return ".".join(("e30", base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("="), "x"))


@pytest.mark.parametrize(
    ("given", "own"),
    [
        (token(ACCOUNT), True),
        (token(ACCOUNT, serviceaccount={"name": "s1"}), True),
        (token(ACCOUNT, pod={"name": "p", "uid": "1"}), False),
        (token(ACCOUNT, pod=None), True),
        (token("system:serviceaccount:starlink-servers:s2"), False),
        (token("system:serviceaccount:team:s1"), False),
        (token("system:serviceaccount:starlink:agent", pod={"name": "p"}), False),
        ("", True),
        ("damaged", True),
    ],
)
def test_it_renews_its_own_token_and_one_that_cant_be_read(given: str, own: bool) -> None:
    assert is_own(given, OWN) is own


def test_a_pods_token_is_known_by_its_claims() -> None:
    assert is_of_pod(token("x", pod={"name": "p"}))
    assert not any(map(is_of_pod, ("", "a.b.c", token("x"), token("x", node={"name": "n"}))))
