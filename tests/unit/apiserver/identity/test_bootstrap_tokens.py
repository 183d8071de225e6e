"""Bootstrap tokens: whom they name, and when they name nobody."""

import base64
from typing import Any

import pytest

from starlink.apiserver.security.authentication import bootstrap_tokens
from starlink.apiserver.security.authentication.tokens import InvalidToken
from starlink.store.base import Key

TOKEN = "abcdef.0123456789abcdef"
NOW = 1_800_000_000.0


def secret(**data: str) -> dict[str, Any]:
    words = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        "expiration": "2030-01-01T00:00:00Z",
        **{name.replace("_", "-"): value for name, value in data.items()},
    }
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in words.items()}
    return {"metadata": {"name": "bootstrap-token-abcdef"}, "type": bootstrap_tokens.TYPE, "data": encoded}


def test_it_names_its_groups() -> None:
    found = bootstrap_tokens.user_of(TOKEN, secret(auth_extra_groups="system:bootstrappers:starlink-servers:s1"), NOW)
    assert found.name == "system:bootstrap:abcdef"
    assert found.groups == (
        "system:bootstrappers",
        "system:bootstrappers:starlink-servers:s1",
        "system:authenticated",
    )


def test_groups_that_are_not_for_bootstrapping_are_not_given() -> None:
    assert (
        "system:masters" not in bootstrap_tokens.user_of(TOKEN, secret(auth_extra_groups="system:masters"), NOW).groups
    )


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, "there is no bootstrap token abcdef"),
        (secret() | {"type": "Opaque"}, "there is no bootstrap token"),
        (secret(token_secret="0123456789abcdee"), "it is not the bootstrap token"),
        (secret(token_secret=""), "it is not the bootstrap token"),
        (secret(token_id="abcdeg"), "it is not the bootstrap token"),
        (secret(expiration="2020-01-01T00:00:00Z"), "has expired"),
        (secret(expiration="soon"), "has expired"),
        (secret(usage_bootstrap_authentication="false"), "has no usage-bootstrap-authentication: true"),
        (secret() | {"data": {"token-id": "%%%"}}, "it is not the bootstrap token"),
    ],
)
def test_what_names_nobody(found: dict[str, Any] | None, why: str) -> None:
    with pytest.raises(InvalidToken, match=why):
        bootstrap_tokens.user_of(TOKEN, found, NOW)


def test_only_its_own_form_is_looked_up() -> None:
    assert bootstrap_tokens.is_bootstrap_token(TOKEN)
    assert not bootstrap_tokens.is_bootstrap_token("abcdef.0123456789abcdef\n")
    assert not bootstrap_tokens.is_bootstrap_token("eyJh.eyJz.c2ln")
    assert bootstrap_tokens.key_of(TOKEN) == Key("/secrets", "kube-system", "bootstrap-token-abcdef")
