"""Who is asking: nobody, a certificate, or somebody on another's behalf.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/
"""

import base64
import datetime
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.conformance.clients import Door, Grants, account, door, grant, rule, subject, token, unique, who_am_i
from tests.conformance.conftest import Http

__all__ = ["door", "grant"]

As = Callable[..., Http]
FORBIDDEN = 'namespaces is forbidden: User "system:anonymous" cannot list resource "namespaces" in API group "" at the cluster scope'


@pytest.mark.parametrize("path", ["/version", "/healthz", "/livez", "/readyz"])
def test_anybody_may_ask_for_health(door: Door, path: str) -> None:
    answer = door().get(path)
    answer.expect(200)
    assert "gitVersion" in answer.json if path == "/version" else answer.body == b"ok"


def test_nobody_may_do_more(door: Door) -> None:
    nobody = door()
    assert nobody.get("/api/v1/namespaces").fails(403, "Forbidden")["message"] == FORBIDDEN
    for path in ("/metrics", "/api/v1/secrets", "/apis/rbac.authorization.k8s.io/v1/clusterroles"):
        nobody.get(path).fails(403, "Forbidden")
    nobody.post("/api/v1/namespaces", {"metadata": {"name": "x"}}).fails(403, "Forbidden")


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer a.b.c"])
def test_a_bad_token_is_not_nobody(door: Door, header: str) -> None:
    refused = door().request("GET", "/api/v1/namespaces", headers={"Authorization": header}).fails(401, "Unauthorized")
    assert refused["message"].startswith("Unauthorized")


def test_a_bad_token_is_refused_reviews_too(door: Door) -> None:
    body = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
    door.bearing("nonsense").post("/apis/authentication.k8s.io/v1/selfsubjectreviews", body).fails(401, "Unauthorized")


def test_an_unknown_certificate_is_refused_in_words(door: Door) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:masters"), x509.NameAttribute(NameOID.COMMON_NAME, "mallory")])  # fmt: skip
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    user = {
        "client-certificate-data": base64.b64encode(certificate.public_bytes(pem)).decode(),
        "client-key-data": base64.b64encode(private).decode(),
    }
    door(user).get("/api/v1/namespaces").fails(401, "Unauthorized")


def test_the_administrator(http: Http) -> None:
    assert "system:authenticated" in who_am_i(http)["groups"]


# Impersonation: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation


@pytest.fixture
def robot(http: Http, door: Door, namespace: str) -> Http:
    """The session of a ServiceAccount that may do nothing yet."""
    account(http, namespace, "robot")
    return door.bearing(token(http, namespace, "robot"))


def impersonating(robot: Http, **headers: str) -> Http:
    given = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Http(robot.client, given)


def test_impersonation_must_be_allowed(robot: Http, namespace: str) -> None:
    me = f"system:serviceaccount:{namespace}:robot"
    refused = robot.acting("jane").get("/api/v1/namespaces").fails(403, "Forbidden")
    assert refused["message"] == (
        f'users "jane" is forbidden: User "{me}" cannot impersonate resource "users" in API group "" at the cluster scope'
    )
    refused = robot.acting(f"system:serviceaccount:{namespace}:other").get("/api/v1/namespaces").fails(403, "Forbidden")
    assert refused["message"] == (
        f'serviceaccounts "other" is forbidden: User "{me}" cannot impersonate resource "serviceaccounts" in API group ""'
        f' in the namespace "{namespace}"'
    )


def test_users_and_groups_are_allowed_one_by_one(robot: Http, namespace: str, grant: Grants) -> None:
    jane, group = unique("jane"), unique("group")
    grant("", subject("robot", "ServiceAccount", namespace), rule(["impersonate"], ["users"], names=[jane]))
    assert who_am_i(robot.acting(jane))["username"] == jane
    robot.acting(unique("john")).get("/api/v1/namespaces").fails(403, "Forbidden")
    refused = robot.acting(jane, [group]).get("/api/v1/namespaces").fails(403, "Forbidden")
    assert refused["message"].startswith(f'groups "{group}" is forbidden: User ')
    grant("", subject("robot", "ServiceAccount", namespace), rule(["impersonate"], ["groups"], names=[group]))
    assert who_am_i(robot.acting(jane, [group]))["groups"] == [group, "system:authenticated"]
    robot.acting(jane, [group, "system:masters"]).get("/api/v1/namespaces").fails(403, "Forbidden")


def test_the_impersonated_is_who_acts(http_as: As, namespace: str, grant: Grants) -> None:
    user = unique("user")
    grant(namespace, subject(user), rule(["list"], ["configmaps"]))
    http_as(user).get(f"/api/v1/namespaces/{namespace}/configmaps").expect(200)
    http_as(user).get("/api/v1/namespaces").fails(403, "Forbidden")


def test_an_impersonated_account_has_its_groups(http_as: As, namespace: str) -> None:
    info = who_am_i(http_as(f"system:serviceaccount:{namespace}:robot"))
    wanted = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    assert info["groups"] == wanted
    named = who_am_i(http_as(f"system:serviceaccount:{namespace}:robot", ["only"]))
    assert named["groups"] == ["only", "system:authenticated"]


def test_the_impersonated_nobody(http_as: As) -> None:
    refused = http_as("system:anonymous").get("/api/v1/namespaces").fails(403, "Forbidden")
    assert refused["message"] == FORBIDDEN


def test_uid_and_extra_are_impersonated(http: Http) -> None:
    user = unique("user")
    info = who_am_i(impersonating(http, Impersonate_User=user, Impersonate_Uid="7", Impersonate_Extra_Scopes="view"))
    assert info["uid"] == "7"
    assert info["extra"]["scopes"] == ["view"]


def test_extra_must_be_allowed(robot: Http, namespace: str, grant: Grants) -> None:
    who = subject("robot", "ServiceAccount", namespace)
    grant("", who, rule(["impersonate"], ["users"]))
    other = impersonating(robot, Impersonate_User="jane", Impersonate_Extra_Scopes="view")
    refused = other.get("/api/v1/namespaces").fails(403, "Forbidden")
    assert 'cannot impersonate resource "userextras/scopes" in API group "authentication.k8s.io"' in refused["message"]
    grant("", who, rule(["impersonate"], ["userextras/scopes"], "authentication.k8s.io", ["view"]))
    assert who_am_i(other)["extra"]["scopes"] == ["view"]


def test_a_uid_must_be_allowed(robot: Http, namespace: str, grant: Grants) -> None:
    who = subject("robot", "ServiceAccount", namespace)
    grant("", who, rule(["impersonate"], ["users"]))
    other = impersonating(robot, Impersonate_User="jane", Impersonate_Uid="7")
    refused = other.get("/api/v1/namespaces").fails(403, "Forbidden")
    me = f"system:serviceaccount:{namespace}:robot"
    assert refused["message"] == (
        f'uids.authentication.k8s.io "7" is forbidden: User "{me}" cannot impersonate resource "uids" in API group '
        '"authentication.k8s.io" at the cluster scope'
    )
    grant("", who, rule(["impersonate"], ["uids"], "authentication.k8s.io", ["7"]))
    assert who_am_i(other)["uid"] == "7"


def test_extra_keys_and_values(http: Http) -> None:
    headers = [
        ("Impersonate-User", unique("user")), ("Impersonate-Extra-Scopes", "view"), ("Impersonate-Extra-Scopes", "a,b"),
        ("Impersonate-Extra-Acme.com%2Fproject", "some project"),
    ]  # fmt: skip
    extra = who_am_i(Http(http.client, headers))["extra"]
    assert extra == {"scopes": ["view", "a,b"], "acme.com/project": ["some project"]}


def test_a_groups_name_may_hold_a_comma(http_as: As) -> None:
    assert who_am_i(http_as("jane", ["a,b", "c, d"]))["groups"] == ["a,b", "c, d", "system:authenticated"]


@pytest.mark.parametrize("header", ["Group", "Uid", "Extra-Scopes"])
def test_somebody_must_be_impersonated(http: Http, header: str) -> None:
    answer = Http(http.client, [(f"Impersonate-{header}", "x")]).get("/api/v1/namespaces")
    assert answer.status in (400, 500)  # the real server takes the fault upon itself
    assert b"without impersonating a user" in answer.body


def test_a_token_of_another_kubeconfig(door: Door, http: Http, namespace: str, tmp_path: Path) -> None:
    account(http, namespace, "robot")
    file = tmp_path / "token"
    file.write_text(token(http, namespace, "robot") + "\n")
    assert who_am_i(door({"tokenFile": str(file)}))["username"] == f"system:serviceaccount:{namespace}:robot"
