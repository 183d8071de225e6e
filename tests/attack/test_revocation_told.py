"""An agent that people have revoked and that `up` brings back: not without a word."""

import logging
from pathlib import Path

import pytest
from tests.integration.apiserver.test_revocation import NAMESPACE

from starlink.api.kinds import SERVER, SERVICE_ACCOUNT
from starlink.cli import agent_tokens
from starlink.client.kube import Client


async def test_an_account_made_again_for_a_server_that_is_there_is_told(
    client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    kubeconfig = tmp_path / "agent.kubeconfig"
    await agent_tokens.write_identity(client, "s1", kubeconfig)
    await client.create(SERVER, {"metadata": {"name": "s1"}})
    await agent_tokens.write_identity(client, "s1", kubeconfig)
    assert not caplog.messages, "neither a new server nor another start is worth a warning"
    await client.delete(SERVICE_ACCOUNT, "s1", NAMESPACE)
    token = await agent_tokens.write_identity(client, "s1", kubeconfig)
    (told,) = caplog.messages
    assert "server s1 is there, but its ServiceAccount was not" in told
    assert "kubectl delete serviceaccount s1 -n starlink-servers" in told
    assert token.read_text().strip() not in told
