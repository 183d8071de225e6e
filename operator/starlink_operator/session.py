"""kopf's way to the API server: the same as that of everything else here."""

import aiohttp
from aiohttp.client_middlewares import ClientHandlerType

from starlink.client.config import Config
from starlink.client.credentials import Credentials
from starlink.client.errors import BadConfig, Unreachable
from starlink.client.http import UNAUTHORIZED


async def session(config: Config, credentials: Credentials) -> aiohttp.ClientSession:
    """A session in which each request says anew who we are: tokens change. One that a plugin's certificate opened ends
    with a 401, whereupon kopf asks for the next session. Raises Unreachable."""
    who = await credentials.get()

    async def identified(request: aiohttp.ClientRequest, send: ClientHandlerType) -> aiohttp.ClientResponse:
        try:
            now = await credentials.get()
            bearer = now.bearer()
        except (BadConfig, Unreachable) as error:
            raise aiohttp.ClientConnectionError(str(error)) from None
        if config.server_name:
            request.server_hostname = config.server_name
        if bearer:
            request.headers["Authorization"] = f"Bearer {bearer}"
        response = await send(request)
        if response.status == UNAUTHORIZED:
            credentials.refused(now)
        return response

    try:
        tls = who.tls()
    except BadConfig as error:
        raise Unreachable(str(error)) from None
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=tls or False),
        headers=config.headers,
        proxy=config.proxy.url if config.proxy else None,
        middlewares=(identified,),
    )
