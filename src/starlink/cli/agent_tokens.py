"""The tokens of agents, and the accounts that they are of. `starlink up` renews those of this machine's agents for as
long as it runs.

An agent renews its own token, but not once it has expired, as after a week of sleep or when the clock was set.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from starlink.api.kinds import NAMESPACE, SERVER, SERVICE_ACCOUNT
from starlink.api.labels import SERVER_NAMESPACE
from starlink.client.config import BadConfig, Config, load, render
from starlink.client.errors import AlreadyExists, ClientError, NotFound
from starlink.client.kube import Client
from starlink.client.token import LIFE_SECONDS, LOOK_SECONDS, is_due, subject
from starlink.files import durable, regular
from starlink.foreign import said

log = logging.getLogger("starlink.up")

_ACCOUNTS = "system:serviceaccount:"


async def write_identity(client: Client, server: str, kubeconfig: Path) -> Path:
    """Makes the server's ServiceAccount and a kubeconfig with a token file beside it, which it gives. Logs a warning
    when the Server is there and its account was not: who has deleted it has revoked the agent. Raises ClientError."""

    if await _add_account(client, server) and await _is_there(client, server):
        log.warning(
            "server %s is there, but its ServiceAccount was not, as after a revocation: it is made anew, and the agent "
            "has its rights again; to revoke it, stop this machine's agent for good or run: "
            "kubectl delete serviceaccount %s -n %s",
            server, server, SERVER_NAMESPACE,
        )  # fmt: skip
    token = await _requested(client, server)
    token_file = kubeconfig.with_suffix(".token")
    durable.replace(token_file, token.encode() + b"\n")
    config = Config(client.config.server, client.config.ca, token_file=Path(token_file.name))
    durable.replace(kubeconfig, render(config, f"starlink-servers-{server}").encode())
    return token_file


async def new(client: Client, server: str, namespace: str = SERVER_NAMESPACE) -> str:
    """A token of the server's ServiceAccount, which is made when it is not there. Raises ClientError."""
    await _add_account(client, server, namespace)
    return await _requested(client, server, namespace)


def server_of(token: str, namespace: str = SERVER_NAMESPACE) -> str:
    """The server whose agent's the token is, "" when it is no agent's. Nothing proves it but the API server."""
    account, prefix = subject(token), f"{_ACCOUNTS}{namespace}:"
    return account.removeprefix(prefix) if account.startswith(prefix) else ""


def kept_server(file: Path, namespace: str = SERVER_NAMESPACE) -> str:
    """The server whose agent's token a file holds, "" for none."""
    return server_of(_read(file), namespace)


async def _add_account(client: Client, server: str, namespace: str = SERVER_NAMESPACE) -> bool:
    """Whether the account was not there."""
    with contextlib.suppress(AlreadyExists):
        await client.create(NAMESPACE, {"metadata": {"name": namespace}})
    try:
        await client.create(SERVICE_ACCOUNT, {"metadata": {"name": server}}, namespace)
    except AlreadyExists:
        return False
    return True


async def _is_there(client: Client, server: str) -> bool:
    try:
        await client.get(SERVER, server)
    except NotFound:
        return False
    return True


async def _requested(client: Client, server: str, namespace: str = SERVER_NAMESPACE) -> str:
    token, _ = await client.request_token(namespace, server, LIFE_SECONDS)
    return token


async def keep(admin: Path, files: Mapping[str, Path], now: Callable[[], float]) -> None:
    """Looks until cancelled. `files` are the token files by the servers' names; `now` is epoch seconds."""
    troubles: dict[str, str] = {}
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        for server, file in tuple(files.items()):
            if is_due(_read(file), now()):
                trouble = await renew(admin, server, file)
                if trouble and trouble != troubles.get(server):
                    log.warning("the token of agent %s could not be renewed: %s", server, trouble)
                troubles[server] = trouble


async def renew(admin: Path, server: str, file: Path) -> str:
    """Puts a new token into the file; gives why it could not. Who has deleted the ServiceAccount has revoked the agent,
    so it is not made anew."""

    try:
        async with Client(load(admin)) as client:
            token = await _requested(client, server)
        durable.replace(file, token.encode() + b"\n")
    except (ClientError, BadConfig) as error:
        return str(error)
    except (OSError, ValueError) as error:
        return said(error)
    return ""


def _read(file: Path) -> str:
    try:
        return regular.read_whole(file).decode().strip()
    except (OSError, ValueError):
        return ""
