"""The tokens of this machine's agents, which `starlink up` renews for as long as it runs.

An agent renews its own token, but not once it has expired, as after a week of sleep or when the clock was set.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from starlink.api.labels import SERVER_NAMESPACE
from starlink.client.config import load
from starlink.client.errors import ClientError
from starlink.client.kube import Client
from starlink.client.token import LIFE_SECONDS, LOOK_SECONDS, is_due

log = logging.getLogger("starlink.up")


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
    from starlink.apiserver.identity.pki import write_private

    try:
        async with Client(load(admin)) as client:
            token, _ = await client.request_token(SERVER_NAMESPACE, server, LIFE_SECONDS)
        write_private(file, token.encode() + b"\n")
    except (ClientError, OSError, ValueError) as error:
        return str(error)
    return ""


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, ValueError):
        return ""
