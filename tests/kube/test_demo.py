"""The demo's steps on a real Kubernetes: operator and agents are processes of their own, with the rights of theirs."""

import os
import pwd
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rich.console import Console
from tests.conftest import _let_pass
from tests.kube.control_plane import ControlPlane
from tests.kube.installed import clear

from starlink.artifacts.pack import pack
from starlink.assets import asset_dir
from starlink.cli import demo, instances
from starlink.cli.datadir import DataDir
from starlink.cli.launcher import OPERATOR, LocalAgent, Standalone
from starlink.cli.settings import AgentSettings
from starlink.client.config import load, render
from starlink.client.kube import Client


@pytest.fixture
async def client(starlink_on_kubernetes: ControlPlane) -> AsyncIterator[Client]:
    async with Client(starlink_on_kubernetes.config()) as made:
        yield made
        await clear(made)


@pytest.fixture
async def parts(starlink_on_kubernetes: ControlPlane, client: Client, tmp_path: Path) -> AsyncIterator[Standalone]:
    """The operator and two agents as `starlink demo` starts them, but no API server."""
    _let_pass(tmp_path)
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    for name in ("web", "wordcount"):
        pack(asset_dir("examples") / name / "app", artifacts / f"{name}.zip")
    made = Standalone(DataDir(tmp_path / "starlink"), url=client.config.server)
    made.data.create()
    made.data.pki.mkdir()
    made.data.operator_kubeconfig.write_text(render(starlink_on_kubernetes.config(OPERATOR, ()), OPERATOR))
    assert load(made.data.operator_kubeconfig).server == made.url
    user = pwd.getpwuid(os.geteuid()).pw_name
    try:
        await made._start_child("operator", made._operator())
        for name in demo.SERVERS:
            told = AgentSettings(name=name, artifact_dir=str(artifacts), task_user=user)
            await made.start_agent(client, LocalAgent(tmp_path / name, told))
        yield made
    finally:
        await made.stop()
        for process in instances.below(tmp_path):
            process.kill()


async def test_its_steps(parts: Standalone, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "STEP_SECONDS", 180.0)
    with (tmp_path / "told").open("w+") as told:
        await demo.Demo(Console(file=told, highlight=False, width=200), client, parts, tmp_path).run()
        told.seek(0)
        steps = told.read()
    for step in ("3 replicas are ready", "it came back", "scaled web to 2", "moved to s1", "nothing is left"):
        assert step in steps
    for child in parts.children:
        assert "forbidden" not in child.log_file.read_text().lower(), "its role lets it do all that it does"
