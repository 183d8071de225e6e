"""TokenRequests: for whom a token is, how long, and what it is bound to."""

import datetime
from pathlib import Path
from typing import Any

import pytest

from starlink.api.errors import StatusError
from starlink.apiserver.security.authentication.serviceaccounts import MOST_SECONDS, request_token
from starlink.apiserver.security.authentication.tokens import Bound, InvalidToken, TokenIssuer
from starlink.apiserver.security.certificates.pki import Pki

NOW = 1_700_000_000.0
ACCOUNT = {"metadata": {"name": "robot", "namespace": "a", "uid": "1"}}


@pytest.fixture
def issuer(tmp_path: Path) -> TokenIssuer:
    return TokenIssuer(Pki(tmp_path / "pki", datetime.datetime.fromtimestamp(NOW, datetime.UTC)).token_key)


def secret_uid(namespace: str, name: str) -> str | None:
    return "7" if (namespace, name) == ("a", "s") else None


def ask(issuer: TokenIssuer, **spec: Any) -> dict[str, Any]:
    return request_token(issuer, ACCOUNT, {"spec": spec}, NOW, secret_uid)


def reference(name: str = "s", kind: str = "Secret", **more: str) -> dict[str, str]:
    return {"apiVersion": "v1", "kind": kind, "name": name, **more}


def test_a_plain_token(issuer: TokenIssuer) -> None:
    answer = ask(issuer)
    claims = issuer.verify(answer["status"]["token"], NOW)
    assert (claims.namespace, claims.name, claims.uid, claims.bound) == ("a", "robot", "1", None)
    assert claims.audiences == (issuer.issuer,) and answer["spec"]["audiences"] == [issuer.issuer]
    assert claims.expiry == NOW + 3600


def test_another_audience(issuer: TokenIssuer) -> None:
    token = ask(issuer, audiences=["vault"])["status"]["token"]
    with pytest.raises(InvalidToken):
        issuer.verify(token, NOW)
    assert issuer.verify(token, NOW, ["other", "vault"]).audiences == ("vault",)


def test_a_bound_token(issuer: TokenIssuer) -> None:
    token = ask(issuer, boundObjectRef=reference(uid="7"))["status"]["token"]
    assert issuer.verify(token, NOW).bound == Bound("s", "7")


@pytest.mark.parametrize(
    ("wanted", "code"), [(reference("t"), 404), (reference(uid="8"), 409), (reference(kind="ConfigMap"), 400)]
)
def test_bad_bindings(issuer: TokenIssuer, wanted: dict[str, str], code: int) -> None:
    with pytest.raises(StatusError) as refused:
        ask(issuer, boundObjectRef=wanted)
    assert refused.value.code == code


def test_nothing_is_bound_to_unchecked(issuer: TokenIssuer) -> None:
    with pytest.raises(StatusError) as refused:
        request_token(issuer, ACCOUNT, {"spec": {"boundObjectRef": reference()}}, NOW)
    assert refused.value.message == "cannot bind token to object of type /v1, Kind=Secret"


def test_durations(issuer: TokenIssuer) -> None:
    assert ask(issuer, expirationSeconds=MOST_SECONDS + 1)["spec"]["expirationSeconds"] == MOST_SECONDS
    for seconds in (1, 599, (1 << 32) + 1):
        with pytest.raises(StatusError) as refused:
            ask(issuer, expirationSeconds=seconds)
        assert refused.value.code == 422
