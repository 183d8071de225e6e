"""`starlink completion`: what a shell needs to complete commands, options, kinds and names of objects."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

import click
from click.shell_completion import CompletionItem, get_completion_class

from starlink.api.kinds import NAMESPACE, SERVER, STARLINK_KINDS, TASK, Kind
from starlink.cli.cluster import config_of
from starlink.cli.nearest import names
from starlink.cli.resources import Resources
from starlink.client.kube import Client

SECONDS = 1.0
"""How long a shell waits for names at most."""
SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_STARLINK_COMPLETE"
"""Where the shell asks the command for completions."""
_FISH_SPLITS = 'string split ","'
_FISH_SPLITS_ONCE = 'string split --max 1 ","'
"""click's script for fish would cut an answer that has a comma itself, such as `tasks,pools`."""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion of commands, options and names for a shell.

    \b
    starlink completion bash > ~/.local/share/bash-completion/completions/starlink
    starlink completion zsh > ~/.zfunc/_starlink
    starlink completion fish > ~/.config/fish/completions/starlink.fish

    zsh needs fpath+=~/.zfunc before compinit.
    """
    made = get_completion_class(shell)
    assert made is not None
    source = made(ctx.find_root().command, {}, "starlink", VARIABLE).source()
    click.echo(source.replace(_FISH_SPLITS, _FISH_SPLITS_ONCE))


def lists(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """As `objects`; of kinds also several, each behind a comma."""
    before, comma, begun = incomplete.rpartition(",")
    if not comma or "/" in incomplete or _given(ctx, param):
        return objects(ctx, param, incomplete)
    return _items([kind for kind in _kinds(ctx) if kind not in before.split(",")], begun, f"{before},")


def objects(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """A kind, then names of that kind; KIND/NAME too. Nothing when the API does not say it in time."""
    before = _given(ctx, param)
    kind, slash, begun = incomplete.partition("/")
    if slash:
        return _items(_ask(ctx, lambda client: _names_of(client, ctx, kind)), begun, f"{kind}/")
    if not before or "/" in before[0]:
        return _items(_kinds(ctx), incomplete)
    known = _ask(ctx, lambda client: _names_of(client, ctx, before[0]))
    return _items([name for name in known if name not in before], incomplete)


def kinds_of(kinds: Sequence[Kind]) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """As `objects`, of a command that takes these kinds alone."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if _given(ctx, param) or "/" in incomplete:
            return objects(ctx, param, incomplete)
        return _items([kind.kind.lower() for kind in kinds], incomplete)

    return complete


def servers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of servers."""
    known, before = _ask(ctx, lambda client: _names(client, SERVER, "")), _given(ctx, param)
    return _items([name for name in known if name not in before], incomplete)


def namespaces(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Names of namespaces, for -n."""
    return _items(_ask(ctx, lambda client: _names(client, NAMESPACE, "")), incomplete)


def tasks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of tasks of the namespace."""
    return _items(_ask(ctx, lambda client: _names(client, TASK, _namespace(client, ctx))), incomplete)


def _items(words: Sequence[str], begun: str, before: str = "") -> list[CompletionItem]:
    return [CompletionItem(before + word) for word in words if word.startswith(begun)]


def _given(ctx: click.Context, param: click.Parameter) -> Sequence[str]:
    """The words before the one that is completed."""
    return [str(word) for word in ctx.params.get(param.name or "") or ()]


def _kinds(ctx: click.Context) -> Sequence[str]:
    """Those that have objects to show; StarLink's own where nobody says."""
    return _ask(ctx, _listed) or [one.plural for one in STARLINK_KINDS]


async def _listed(client: Client) -> Sequence[str]:
    return (await Resources.discover(client)).words


async def _names_of(client: Client, ctx: click.Context, word: str) -> Sequence[str]:
    kind = (await Resources.discover(client)).named(word)
    return await _names(client, kind, _namespace(client, ctx) if kind.namespaced else "")


async def _names(client: Client, kind: Kind, namespace: str) -> Sequence[str]:
    return sorted(name for _, name in await names(client, kind, namespace))


def _namespace(client: Client, ctx: click.Context) -> str:
    return str(ctx.obj["namespace"] or client.config.namespace or "default")


def _ask(ctx: click.Context, work: Callable[[Client], Awaitable[Sequence[str]]]) -> Sequence[str]:
    """What the API says within a second, else nothing: whatever goes wrong, a person at a prompt wants no message."""

    async def asked() -> Sequence[str]:
        async with asyncio.timeout(SECONDS), Client(config_of(ctx)) as client:
            return await work(client)

    ctx.obj = defaultdict(lambda: None, ctx.obj or {})  # options that are not given yet
    with contextlib.suppress(Exception):
        return asyncio.run(asked())
    return ()
