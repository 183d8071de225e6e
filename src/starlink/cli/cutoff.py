"""A changed address of the API server: who joined by the old one is cut off, and told of nothing."""

from collections.abc import Collection, Sequence

import msgspec

from starlink.api.kinds import SERVER
from starlink.api.server import Server
from starlink.cli import reaching
from starlink.cli.hints import Command
from starlink.cli.joining import NotReached
from starlink.cli.listening import Listen
from starlink.cli.tables import some
from starlink.client.kube import Client


async def notes(client: Client, old: Listen, new: Listen, own: Collection[str], command: Command) -> Sequence[str]:
    """What a person should know; nothing where the old address serves on, or there are no servers but the machine's
    `own`. Raises ClientError."""
    if new.serves(old):
        return ()
    found = [msgspec.json.decode(item, type=Server) for item in (await client.list(SERVER)).items]
    servers = sorted(server.name for server in found if server.name not in own and not server.declared_gone)
    if not servers:
        return ()
    try:
        url = (await reaching.way_of(client.config, command)).url
    except NotReached as error:
        return told(servers, old, new.url, command, str(error))
    return told(servers, old, url, command)


def told(servers: Sequence[str], old: Listen, url: str, command: Command, unreached: str = "") -> Sequence[str]:
    """Which servers may be cut off, and what each needs to reach the API server at `url`. `unreached` says why no other
    machine does. Pure."""
    first = servers[0]
    one = len(servers) == 1
    anew = command(f"server add {first} --server {url} -o {first}.kubeconfig")
    what = (
        f"{some(servers)} {'was' if one else 'were'} joined while StarLink listened on {old}, and "
        f"{'is' if one else 'are'} cut off if {'its agent dials' if one else 'their agents dial'} that: tasks go on "
        "there, and nothing new is heard"
    )
    how = (
        f"there, set `server` in the agent's kubeconfig to {url} and start the agent again; or make a new kubeconfig "
        f"here, such as `{anew}`, take it there, and give it to `starlink agent --kubeconfig`"
    )
    if not unreached:
        return (f"{what}; {how}",)
    return (f"{what}; {how}; that is for agents of this machine alone: {unreached}",)
