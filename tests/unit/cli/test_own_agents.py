"""A server whose agent this machine's own `up` runs is deleted on purpose alone."""

import json
import os
from pathlib import Path

import click
import pytest

from starlink.cli import own_agents, parts


@pytest.fixture(autouse=True)
def up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A StarLink whose launcher and whose agents of s1 and s2 run: this process stands for all three. The agent of s3 has
    ended."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(parts, "is_launcher", lambda pid: pid == os.getpid())
    children = {"agent": os.getpid(), "agent-s2": os.getpid(), "agent-s3": None}
    note = {"pid": os.getpid(), "url": "https://127.0.0.1:1", "server": "s1", "children": children}
    (tmp_path / "run.json").write_text(json.dumps(note))


def context(data_dir: Path | None = None, kubeconfig: Path | None = None) -> click.Context:
    return click.Context(click.Command("x"), obj={"data_dir": data_dir, "kubeconfig": kubeconfig})


@pytest.mark.parametrize("name", ["s1", "s2"])
def test_it_is_refused_by_data_dir_and_by_its_kubeconfig(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    said = f"server {name}: its agent runs here .*`starlink --data-dir {tmp_path} cordon {name}`.*--force"
    for ctx in (context(tmp_path), context(kubeconfig=tmp_path / "admin.kubeconfig")):
        with pytest.raises(click.ClickException, match=said):
            own_agents.refuse(ctx, ["other", name])
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "admin.kubeconfig"))
    with pytest.raises(click.ClickException, match=said):
        own_agents.refuse(context(), [name])


def refusal(ctx: click.Context, *servers: str) -> str:
    """What it says, "" for nothing."""
    try:
        own_agents.refuse(ctx, servers)
    except click.ClickException as error:
        return error.message
    return ""


def test_others_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(context(tmp_path), "s1")
    assert refusal(context(tmp_path), "s3", "s4") == ""
    assert refusal(context(kubeconfig=tmp_path / "another"), "s1") == ""
    monkeypatch.setattr(parts, "is_launcher", lambda _pid: False)
    assert refusal(context(tmp_path), "s1") == ""
