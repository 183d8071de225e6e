"""Who a request is from."""

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from starlink.apiserver.authentication import Authenticator
from starlink.apiserver.authorities import Authorities, read_authorities
from starlink.apiserver.errors import StatusError
from starlink.apiserver.message import ANONYMOUS
from starlink.apiserver.pki import Pki
from starlink.apiserver.tokens import TokenIssuer
from starlink.store.base import Key

ACCOUNT = Key("/serviceaccounts", "agents", "a")
START = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


class World:
    def __init__(self, folder: Path) -> None:
        self.now = START.timestamp()
        self.objects = {ACCOUNT: {"metadata": {"uid": "1"}}}
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


def test_tokens_are_reviewed_by_the_same_rules(world: World) -> None:
    header = world.header()
    assert world.authenticator.of_token(header.removeprefix("Bearer ")).uid == "1"
    with pytest.raises(StatusError, match="Unauthorized: invalid bearer token"):
        world.authenticator.of_token("none")
