"""Who a request is from."""

import base64
import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from starlink.api.errors import StatusError
from starlink.apiserver.security.authentication import bootstrap_tokens
from starlink.apiserver.security.authentication.authenticator import Authenticator
from starlink.apiserver.security.authentication.tokens import TokenIssuer
from starlink.apiserver.security.certificates.pki import Pki
from starlink.http.authorities import Authorities, read_authorities
from starlink.http.message import ANONYMOUS
from starlink.store.base import Key

ACCOUNT = Key("/serviceaccounts", "agents", "a")
START = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


class World:
    def __init__(self, folder: Path) -> None:
        self.now = START.timestamp()
        self.objects: dict[Key, dict[str, Any]] = {ACCOUNT: {"metadata": {"uid": "1"}}}
        self.pki = Pki(folder, START)
        self.tokens = TokenIssuer(self.pki.token_key)
        self.authenticator = Authenticator(self.tokens, self.objects.get, lambda: self.now)

    def header(self) -> str:
        return "Bearer " + self.tokens.issue("agents", "a", "1", 600, self.now)[0]

    def certificate(self, user: str) -> bytes:
        loaded = x509.load_pem_x509_certificate(self.pki.client(user)[0].read_bytes())
        return loaded.public_bytes(Encoding.DER)

    def refusal(self, header: str, certificate: bytes = b"") -> str:
        with pytest.raises(StatusError) as refused:
            self.authenticator.user(header, certificate, Authorities())
        assert (refused.value.code, refused.value.reason) == (401, "Unauthorized")
        return refused.value.message


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_nobody_is_anonymous(world: World) -> None:
    assert world.authenticator.user("") is ANONYMOUS


def test_a_token_is_its_accounts_until_it_ends(world: World) -> None:
    header = world.header()
    for _ in range(2):
        user = world.authenticator.user(header)
        assert (user.name, user.uid) == ("system:serviceaccount:agents:a", "1")
        assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:agents", "system:authenticated")
    world.now += 600
    assert "it has expired" in world.refusal(header)
    assert "it has expired" in world.refusal(header), "again, when it is no longer remembered"


def test_a_deleted_accounts_tokens_end_at_once(world: World) -> None:
    header = world.header()
    assert world.authenticator.user(header)
    world.objects[ACCOUNT] = {"metadata": {"uid": "2"}}
    assert "its service account agents/a is gone" in world.refusal(header)


@pytest.mark.parametrize("header", ["Basic abc", "Bearer", "Bearer  ", "nonsense"])
def test_other_headers_are_refused(world: World, header: str) -> None:
    assert world.refusal(header) == "Unauthorized: the Authorization header must be 'Bearer TOKEN'"


def test_a_certificate_goes_before_a_token(world: World) -> None:
    certificate = world.certificate("jane")
    authorities = read_authorities(world.pki.ca)
    assert world.authenticator.user(world.header(), certificate, authorities).name == "jane"
    assert world.authenticator.user("Bearer none", certificate, authorities).name == "jane"


def test_a_good_token_makes_up_for_a_bad_certificate(world: World) -> None:
    certificate = world.certificate("jane")
    assert world.authenticator.user(world.header(), certificate, Authorities()).uid == "1"
    assert world.refusal("", certificate) == "Unauthorized: x509: certificate signed by unknown authority"
    both = world.refusal("Bearer none", certificate)
    assert both.startswith("Unauthorized: [x509: certificate signed by unknown authority, invalid bearer token: ")


def test_an_account_that_is_being_deleted_is_gone(world: World) -> None:
    header = world.header()
    world.objects[ACCOUNT] = {"metadata": {"uid": "1", "deletionTimestamp": "2030-01-01T00:00:00Z"}}
    assert "its service account agents/a is gone" in world.refusal(header)


def test_tokens_are_reviewed_by_the_same_rules(world: World) -> None:
    here = world.tokens.issuer
    token = world.header().removeprefix("Bearer ")
    user, audiences = world.authenticator.of_token(token, ["other", here])
    assert (user.uid, audiences) == ("1", (here,))
    with pytest.raises(StatusError, match="Unauthorized: invalid bearer token"):
        world.authenticator.of_token("none", [here])
    world.objects.clear()
    with pytest.raises(StatusError, match="its service account agents/a is gone"):
        world.authenticator.of_token(token, [here])


def test_a_token_for_others_is_never_one_for_the_server(world: World) -> None:
    token, _ = world.tokens.issue("agents", "a", "1", 600, world.now, audiences=["vault", "store"])
    for _ in range(2):  # a review must not have it remembered as good
        assert world.authenticator.of_token(token, ["store", "other"])[1] == ("store",)
        refused = world.refusal(f"Bearer {token}")
        assert refused.endswith(
            f'token audiences ["vault" "store"] is invalid for the target audiences ["{world.tokens.issuer}"]'
        )
    with pytest.raises(StatusError, match="is invalid for the target audiences"):
        world.authenticator.of_token(token, ["other"])
    ours = world.header().removeprefix("Bearer ")
    assert world.authenticator.user(f"Bearer {ours}").uid == "1"
    with pytest.raises(StatusError, match="is invalid for the target audiences"):
        world.authenticator.of_token(ours, ["store"])


def test_a_token_for_several_is_for_each(world: World) -> None:
    here = world.tokens.issuer
    token, _ = world.tokens.issue("agents", "a", "1", 600, world.now, audiences=["vault", here])
    assert world.authenticator.user(f"Bearer {token}").uid == "1"
    assert world.authenticator.of_token(token, ["vault"])[1] == ("vault",)


def test_a_bootstrap_token_is_for_this_server_only(world: World) -> None:
    words = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"}
    data = {name: base64.b64encode(value.encode()).decode() for name, value in words.items()}
    secret = {"metadata": {"uid": "2"}, "type": bootstrap_tokens.TYPE, "data": data}
    world.objects[Key("/secrets", "kube-system", "bootstrap-token-abcdef")] = secret
    token, here = "abcdef.0123456789abcdef", world.tokens.issuer
    user, audiences = world.authenticator.of_token(token, ["vault", here])
    assert (user.name, audiences) == ("system:bootstrap:abcdef", (here,))
    with pytest.raises(StatusError, match="is invalid for the target audiences"):
        world.authenticator.of_token(token, ["vault"])
