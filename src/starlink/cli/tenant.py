"""Whose a data directory is, for who took it for a StarLink's."""

import os
from pathlib import Path

from starlink.api.labels import SERVER_NAMESPACE
from starlink.cli.agent_tokens import kept_server
from starlink.cli.datadir import MARKERS, AgentDir, DataDir, command
from starlink.cli.settings import BadSettings, JoinedSettings, load
from starlink.client.config import BadConfig, server_url
from starlink.files import folder


def stranger(data: DataDir) -> str:
    """Whose it is instead, in words, with what helps; "" where it is a StarLink's, or one can be started there."""
    if data.is_there:
        return ""
    if words := of_agent(data):
        return words
    if data.root.is_dir() and not os.access(data.root, os.X_OK):
        return f"--data-dir {data.root}: you may not look into it; be its owner, or root"
    try:
        folder.check(data.root, MARKERS)
    except folder.NotUsable:
        return nobodys(data)
    return ""


def nobodys(data: DataDir) -> str:
    """That nothing of StarLink is there."""
    return f"{data.root} is of no StarLink and of no agent; name the right --data-dir"


def of_agent(data: DataDir) -> str:
    """Which agent's it is, and how that is seen and stopped; "" where it is no agent's."""
    if not data.is_an_agents:
        return ""
    root, launcher = data.root, DataDir(data.root.parent)
    if launcher.is_there and launcher.agent == root:
        return f"{root} is of the agent of the StarLink on {launcher.root}; name that with --data-dir"
    server, url = _joined(AgentDir(root))
    whose = f"the agent of server {server}" if server else "an agent"
    joined = f", which joined StarLink at {url}" if url else ""
    shown = f"`starlink describe server {server}`" if server else "`starlink server list`"
    return (
        f"{root} is the data directory of {whose}{joined}, and of no StarLink: where StarLink runs, {shown} says how "
        f"it is; here, `{command(root, 'down')}` stops it, and `{command(root, 'agent')}` starts it"
    )


def _joined(place: AgentDir) -> tuple[str, str]:
    """The name of the agent's server and the URL of its API server, "" where nothing tells."""
    try:
        kept = load(place.settings, JoinedSettings, "") or JoinedSettings()
    except BadSettings:
        kept = JoinedSettings()
    try:
        url = server_url(Path(kept.kubeconfig), kept.context) if kept.kubeconfig else ""
    except BadConfig:
        url = ""
    name = kept.name or kept_server(place.token, kept.server_namespace or SERVER_NAMESPACE)
    return name if name.isprintable() else "", url
