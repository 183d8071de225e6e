"""ServiceAccounts' tokens: asked for, bound, ended.

https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
"""

import base64
import json
import time
from datetime import datetime
from typing import Any

import pytest
from tests.conformance.clients import Door, account, ask_token, door, token, who_am_i
from tests.conformance.conftest import SECONDS, Http, causes
from tests.conftest import eventually

__all__ = ["door"]


def claims(jwt: str) -> dict[str, Any]:
    """What a token says."""
    part = jwt.split(".")[1]
    said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return said


def review(http: Http, jwt: str, **spec: Any) -> dict[str, Any]:
    """The status of a TokenReview."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": jwt, **spec}}
    status: dict[str, Any] = http.post("/apis/authentication.k8s.io/v1/tokenreviews", body).expect(201)["status"]
    return status


def test_a_token_is_its_account(http: Http, door: Door, namespace: str) -> None:
    made = account(http, namespace, "robot")
    info = who_am_i(door.bearing(token(http, namespace, "robot")))
    assert info["username"] == f"system:serviceaccount:{namespace}:robot"
    assert info["uid"] == made["metadata"]["uid"]
    wanted = {"system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"}
    assert set(info["groups"]) == wanted


def test_the_answer_to_a_token_request(http: Http, namespace: str) -> None:
    account(http, namespace, "robot")
    answer = ask_token(http, namespace, "robot", expirationSeconds=700).expect(201)
    assert (answer["kind"], answer["metadata"]["name"]) == ("TokenRequest", "robot")
    assert answer["spec"]["expirationSeconds"] == 700
    assert answer["spec"]["audiences"]
    said = claims(answer["status"]["token"])
    assert said["exp"] - said["iat"] == 700 and said["exp"] > time.time()
    assert datetime.fromisoformat(answer["status"]["expirationTimestamp"]).timestamp() == said["exp"]
    assert said["sub"] == f"system:serviceaccount:{namespace}:robot"
    assert said["aud"] == answer["spec"]["audiences"]
    assert said["kubernetes.io"]["namespace"] == namespace
    assert said["kubernetes.io"]["serviceaccount"]["name"] == "robot"


def test_a_token_lasts_an_hour_unless_asked(http: Http, namespace: str) -> None:
    account(http, namespace, "robot")
    assert ask_token(http, namespace, "robot").expect(201)["spec"]["expirationSeconds"] == 3600


@pytest.mark.parametrize(
    ("seconds", "why"), [(599, "may not specify a duration less than 10 minutes"), (1 << 33, "may not specify a duration larger than 2^32 seconds")]
)  # fmt: skip
def test_bounds_of_a_token(http: Http, namespace: str, seconds: int, why: str) -> None:
    account(http, namespace, "robot")
    refused = ask_token(http, namespace, "robot", expirationSeconds=seconds).fails(422, "Invalid")
    assert why in causes(refused)["spec.expirationSeconds"]


def test_a_token_of_nobody(http: Http, namespace: str) -> None:
    refused = ask_token(http, namespace, "nobody").fails(404, "NotFound")
    assert refused["message"] == 'serviceaccounts "nobody" not found'
    account(http, namespace, "robot")
    http.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/robot/token").fails(405, "MethodNotAllowed")


def test_a_deleted_accounts_token_ends(http: Http, door: Door, namespace: str) -> None:
    account(http, namespace, "robot")
    me = door.bearing(token(http, namespace, "robot"))
    who_am_i(me)
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/robot"
    http.delete(path).expect(200)
    account(http, namespace, "robot")  # another account of the same name
    eventually(lambda: me.get(path).status == 401, "the token has ended", SECONDS)
    assert me.get(path).fails(401, "Unauthorized")["message"].startswith("Unauthorized")


def test_a_token_for_another_audience(http: Http, door: Door, namespace: str) -> None:
    account(http, namespace, "robot")
    answer = ask_token(http, namespace, "robot", audiences=["vault"]).expect(201)
    jwt = answer["status"]["token"]
    assert answer["spec"]["audiences"] == ["vault"] and claims(jwt)["aud"] == ["vault"]
    door.bearing(jwt).get("/api/v1/namespaces").fails(401, "Unauthorized")
    found = review(http, jwt, audiences=["vault", "other"])
    assert found["authenticated"] is True and found["audiences"] == ["vault"]
    assert not review(http, jwt, audiences=["other"]).get("authenticated")
    assert not review(http, jwt).get("authenticated")


def test_a_review_for_others_makes_no_token_for_the_server(http: Http, door: Door, namespace: str) -> None:
    account(http, namespace, "robot")
    jwt = ask_token(http, namespace, "robot", audiences=["vault"]).expect(201)["status"]["token"]
    me = door.bearing(jwt)
    for _ in range(2):
        assert review(http, jwt, audiences=["vault"])["authenticated"] is True
        me.get("/api/v1/namespaces").fails(401, "Unauthorized")
    ours = token(http, namespace, "robot")
    who_am_i(door.bearing(ours))
    found = review(http, ours, audiences=["vault"])
    assert not found.get("authenticated") and "is invalid for the target audiences" in found["error"]


def test_a_token_is_bound_to_a_secret(http: Http, door: Door, namespace: str) -> None:
    account(http, namespace, "robot")
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    secret = http.post(secrets, {"metadata": {"name": "bound"}}).expect(201)
    reference = {"apiVersion": "v1", "kind": "Secret", "name": "bound", "uid": secret["metadata"]["uid"]}
    jwt = token(http, namespace, "robot", boundObjectRef=reference)
    assert claims(jwt)["kubernetes.io"]["secret"] == {"name": "bound", "uid": reference["uid"]}
    me = door.bearing(jwt)
    who_am_i(me)
    http.delete(f"{secrets}/bound").expect(200)
    eventually(lambda: me.get(secrets).status == 401, "the token has ended with its secret", SECONDS)


def test_a_token_is_bound_to_what_is_there(http: Http, namespace: str) -> None:
    account(http, namespace, "robot")
    missing = {"apiVersion": "v1", "kind": "Secret", "name": "missing"}
    refused = ask_token(http, namespace, "robot", boundObjectRef=missing).fails(404, "NotFound")
    assert refused["message"] == 'secrets "missing" not found'
    http.post(f"/api/v1/namespaces/{namespace}/secrets", {"metadata": {"name": "there"}}).expect(201)
    other = {"apiVersion": "v1", "kind": "Secret", "name": "there", "uid": "0-0"}
    ask_token(http, namespace, "robot", boundObjectRef=other).fails(409, "Conflict")
    wrong = {"apiVersion": "v1", "kind": "ConfigMap", "name": "there"}
    ask_token(http, namespace, "robot", boundObjectRef=wrong).fails(400, "BadRequest")


def test_a_token_review(http: Http, namespace: str) -> None:
    made = account(http, namespace, "robot")
    found = review(http, token(http, namespace, "robot"))
    assert found["authenticated"] is True and found["audiences"]
    assert found["user"]["username"] == f"system:serviceaccount:{namespace}:robot"
    assert found["user"]["uid"] == made["metadata"]["uid"]
    assert f"system:serviceaccounts:{namespace}" in found["user"]["groups"]


@pytest.mark.parametrize("jwt", ["nonsense", "a.b.c", "token-1bc37ede"])
def test_a_review_of_a_bad_token(http: Http, jwt: str) -> None:
    found = review(http, jwt)
    assert not found.get("authenticated")
    assert "invalid bearer token" in found["error"]


def test_a_review_of_no_token(http: Http) -> None:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {}}
    refused = http.post("/apis/authentication.k8s.io/v1/tokenreviews", body).fails(400, "BadRequest")
    assert "token is required for TokenReview" in refused["message"]


def test_a_tampered_token(http: Http, door: Door, namespace: str) -> None:
    account(http, namespace, "robot")
    head, body, sign = token(http, namespace, "robot").split(".")
    said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    forged = base64.urlsafe_b64encode(json.dumps({**said, "exp": said["exp"] + 9999}).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    for jwt in (f"{head}.{forged}.{sign}", f"{none}.{forged}.", f"{head}.{body}.", head):
        door.bearing(jwt).get("/api/v1/namespaces").fails(401, "Unauthorized")
