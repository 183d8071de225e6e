"""The agent's token: kept in a file, renewed in time, and told of until when it is good."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from starlink.api.kinds import SERVER
from starlink.api.labels import SERVER_NAMESPACE
from starlink.api.meta import ObjectKey
from starlink.api.timestamp import format_time
from starlink.client.config import BadConfig, Config
from starlink.client.errors import ClientError
from starlink.client.kube import Client
from starlink.client.token import LIFE_SECONDS, LOOK_SECONDS, is_due, is_of_pod, lifetime, subject
from starlink.files import durable

log = logging.getLogger(__name__)

PAUSE_SECONDS = 60.0
"""After a renewal, or a try. A clock that is days ahead finds each new token due."""


def with_token_file(config: Config, file: Path) -> Config:
    """The configuration with its token in a file that can be written again, in place of the kubeconfig.

    The token of the kubeconfig is what people gave; where the file has a later one, that is what the agent has got
    with it since. Where the file can't be written, as on a full disk, the kubeconfig's token is used as it is.
    """
    if config.token_file is not None or not config.token:
        return config
    if _since(config.token) >= _since(_read(file)):
        try:
            write(file, config.token)
        except OSError as error:
            log.warning("the token can't be kept in %s, so it is not renewed: %s", file, error.strerror)
            return config
    return replace(config, token="", token_file=file)


def _since(token: str) -> float:
    found = lifetime(token)
    return found[0] if found else 0.0


async def tell(client: Client, server: str, uid: str) -> None:
    """Says in the status of the Server with this UID until when the agent's token is good, whenever that has changed,
    until cancelled: once it is over, the agent can say nothing any more."""
    told = ""
    while True:
        until = expiry(client.config)
        if until and until != told:
            try:
                known = await client.get(SERVER, server)
                if known["metadata"]["uid"] == uid:
                    await client.patch_status(SERVER, known, {"tokenExpires": until})
                told = until
            except ClientError as error:
                log.info("until when the token is good could not be told yet: %s", error)
        await asyncio.sleep(LOOK_SECONDS)


def expiry(config: Config) -> str:
    """Until when the token of a configuration is good (RFC 3339); "" where there is none that says so."""
    try:
        found = lifetime(config.bearer())
        return format_time(found[1]) if found else ""
    except (BadConfig, ValueError, OverflowError):
        return ""


async def renew(
    client: Client, server: str, file: Path, now: Callable[[], float], namespace: str = SERVER_NAMESPACE
) -> None:
    """Renews the token in the file, until cancelled, while it is that of the server's own account and no kubelet
    renews it. `now` is epoch seconds."""
    while True:
        token = _read(file)
        if not (is_own(token, ObjectKey(namespace, server)) and is_due(token, now())):
            await asyncio.sleep(LOOK_SECONDS)
            continue
        try:
            token, _ = await client.request_token(namespace, server, LIFE_SECONDS)
            await asyncio.to_thread(write, file, token)
        except (ClientError, OSError) as error:
            log.warning("the token could not be renewed: %s", error)
        await asyncio.sleep(PAUSE_SECONDS)


def is_own(token: str, account: ObjectKey) -> bool:
    """Whether a token is the account's, or can't be read, and is not a pod's, whose kubelet renews it."""
    whose = subject(token)
    return whose in ("", f"system:serviceaccount:{account.namespace}:{account.name}") and not is_of_pod(token)


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, ValueError):
        return ""


def write(file: Path, token: str) -> None:
    """Replaces the file whole, mode 0600. Raises OSError."""
    durable.replace(file, f"{token}\n".encode())
