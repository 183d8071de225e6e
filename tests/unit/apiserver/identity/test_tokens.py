"""ServiceAccounts' tokens: what is issued, and what is refused."""

import datetime
import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from starlink.apiserver.security.authentication.tokens import Bound, Claims, InvalidToken, TokenIssuer
from starlink.apiserver.security.certificates.pki import Pki

NOW = 1_900_000_000.0
ISSUER = "https://kubernetes.default.svc.cluster.local"
ABOUT = {"namespace": "a", "serviceaccount": {"name": "robot", "uid": "1"}}
CLAIMS = {
    "iss": ISSUER, "aud": [ISSUER], "sub": "system:serviceaccount:a:robot", "iat": int(NOW), "nbf": int(NOW) - 60,
    "exp": int(NOW) + 600, "kubernetes.io": ABOUT,
}  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Pki(tmp_path_factory.mktemp("pki"), datetime.datetime.fromtimestamp(NOW, datetime.UTC)).token_key


@pytest.fixture(scope="module")
def issuer(path: Path) -> TokenIssuer:
    return TokenIssuer(path)


@pytest.fixture(scope="module")
def key(path: Path) -> ec.EllipticCurvePrivateKey:
    loaded = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    return loaded


def part(value: Any) -> bytes:
    content = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return urlsafe_b64encode(content).rstrip(b"=")


def signed(key: ec.EllipticCurvePrivateKey, claims: Any = CLAIMS, **header: Any) -> str:
    """A token, made by hand as RFC 7515 and RFC 7518 have it."""
    text = part({"alg": "ES256", "typ": "JWT", **header}) + b"." + part(claims)
    numbers = decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
    signature = b"".join(number.to_bytes(32, "big") for number in numbers)
    return (text + b"." + part(signature)).decode()


def refusal(issuer: TokenIssuer, token: str, **options: Any) -> str:
    with pytest.raises(InvalidToken, match=r"^invalid bearer token: .") as refused:
        issuer.verify(token, NOW, **options)
    return str(refused.value)


def test_what_a_token_says(issuer: TokenIssuer) -> None:
    token, expiry = issuer.issue("a", "robot", "1", 600, NOW, bound=Bound("s", "7"))
    header, claims = (msgspec.json.decode(urlsafe_b64decode(text + "==")) for text in token.split(".")[:2])
    assert header == {"alg": "ES256", "typ": "JWT"}
    assert claims == {**CLAIMS, "kubernetes.io": {**ABOUT, "secret": {"name": "s", "uid": "7"}}}
    assert issuer.verify(token, NOW) == Claims("a", "robot", "1", expiry, (ISSUER,), Bound("s", "7"))


def test_a_token_of_any_maker_with_the_key_is_good(issuer: TokenIssuer, key: ec.EllipticCurvePrivateKey) -> None:
    assert issuer.verify(signed(key), NOW) == Claims("a", "robot", "1", NOW + 600, (ISSUER,))


def test_a_token_ends(issuer: TokenIssuer) -> None:
    token, expiry = issuer.issue("a", "robot", "1", 600, NOW)
    assert issuer.verify(token, expiry - 1)
    with pytest.raises(InvalidToken, match="it has expired"):
        issuer.verify(token, expiry)


def test_a_token_is_for_its_audiences(issuer: TokenIssuer) -> None:
    token, _ = issuer.issue("a", "robot", "1", 600, NOW, audiences=["vault", "store"])
    assert refusal(issuer, token) == (
        f'invalid bearer token: token audiences ["vault" "store"] is invalid for the target audiences ["{ISSUER}"]'
    )
    assert issuer.verify(token, NOW, ["other", "store"]).audiences == ("vault", "store")
    assert "is invalid for the target audiences" in refusal(issuer, token, audiences=["other"])


def test_only_its_own_algorithm_is_taken(issuer: TokenIssuer, key: ec.EllipticCurvePrivateKey) -> None:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = key.public_key().public_bytes(serialization.Encoding.PEM, form)
    body = part(CLAIMS)
    unsigned = part({"alg": "none", "typ": "JWT"}) + b"." + body + b"."
    symmetric = part({"alg": "HS256", "typ": "JWT"}) + b"." + body
    by_public_key = symmetric + b"." + part(hmac.digest(public, symmetric, hashlib.sha256))
    assert refusal(issuer, unsigned.decode()) == "invalid bearer token: it has no signature of this server"
    assert refusal(issuer, by_public_key.decode()) == "invalid bearer token: it has no signature of this server"
    for other in ("ES384", "RS256", "EdDSA", "ES256 ", "es256", "", None, ["ES256"], 1):
        refusal(issuer, signed(key, alg=other))


def test_only_its_own_key_is_taken(issuer: TokenIssuer, key: ec.EllipticCurvePrivateKey) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    assert "signature" in refusal(issuer, signed(stranger))
    numbers = stranger.public_key().public_numbers()
    x, y = (part(number.to_bytes(32, "big")).decode() for number in (numbers.x, numbers.y))
    refusal(issuer, signed(stranger, jwk={"kty": "EC", "crv": "P-256", "x": x, "y": y}))
    refusal(issuer, signed(stranger, jku="https://127.0.0.1:1/keys"))
    head, body, signature = signed(key).split(".")
    forged = part({**CLAIMS, "exp": int(NOW) + 9999}).decode()
    for token in (f"{head}.{forged}.{signature}", f"{head}.{body}.", f"{head}.{body}", f"{head}.{body}.{signature}x"):
        refusal(issuer, token)


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://elsewhere"}, {"exp": None}, {"exp": "soon"}, {"aud": ISSUER}, {"aud": []}, {"sub": 7},
        {"kubernetes.io": None}, {"kubernetes.io": {}}, {"kubernetes.io": {**ABOUT, "secret": "s"}},
    ],
)  # fmt: skip
def test_what_must_be_said(issuer: TokenIssuer, key: ec.EllipticCurvePrivateKey, wrong: dict[str, Any]) -> None:
    claims = {name: value for name, value in {**CLAIMS, **wrong}.items() if value is not None}
    refusal(issuer, signed(key, claims))


@pytest.mark.parametrize("payload", [b"", b"no JSON", b"[]", b'"text"', b"\xff"])
def test_what_must_be_an_object(issuer: TokenIssuer, key: ec.EllipticCurvePrivateKey, payload: bytes) -> None:
    refusal(issuer, signed(key, payload))


def test_extensions_that_are_not_understood_are_refused(
    issuer: TokenIssuer, key: ec.EllipticCurvePrivateKey
) -> None:  # fmt: skip
    refusal(issuer, signed(key, crit=["exp"], exp=1))
    refusal(issuer, signed(key, crit=["b64"], b64="no"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
HEADERS = JSON | st.fixed_dictionaries(
    {"alg": st.just("ES256") | JSON}, optional={"b64": JSON, "crit": JSON, "kid": JSON}
)


@given(st.text(max_size=60) | st.builds(lambda head, body, end: f"{head}.{body}.{end}", *[st.text(max_size=20)] * 3))
def test_any_text_is_refused_in_words(issuer: TokenIssuer, text: str) -> None:
    refusal(issuer, text)


@given(HEADERS, JSON, st.binary(max_size=70))
def test_any_forgery_is_refused_in_words(issuer: TokenIssuer, header: Any, body: Any, signature: bytes) -> None:
    refusal(issuer, b".".join((part(header), part(body), part(signature))).decode())


def test_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    made = ec.generate_private_key(ec.SECP384R1())
    file.write_bytes(made.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    with pytest.raises(ValueError, match="holds no EC P-256 private key; delete it to have one made"):
        TokenIssuer(file)
