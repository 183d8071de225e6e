"""`starlink get`: objects as tables of the server, YAML, JSON, names or by a JSONPath; once, or followed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
import msgspec

from starlink.api.kinds import Kind
from starlink.cli import next_steps
from starlink.cli.cluster import commands, logs_of, with_client
from starlink.cli.completion import lists
from starlink.cli.faults import INTERRUPTED
from starlink.cli.formats import Format, Output, without_managed_fields
from starlink.cli.hints import Command, LogsOf
from starlink.cli.namespace import namespace_of, namespace_option
from starlink.cli.nearest import missing
from starlink.cli.resources import Resources
from starlink.cli.rows import Rows
from starlink.cli.screen import Screen
from starlink.cli.targets import Objects, parse, resolve
from starlink.cli.watching import DELETED, changes
from starlink.client.errors import NotFound
from starlink.client.kube import Client, url

TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
_JSON = {"Accept": "application/json"}

Obj = dict[str, Any]


@click.command()
@click.argument("words", nargs=-1, metavar="KIND[,KIND...] [NAME...]", shell_complete=lists)
@namespace_option
@click.option("-A", "--all-namespaces", is_flag=True, help="Look in all namespaces.")
@click.option("-l", "--selector", default="", help="Only objects with these labels.")
@click.option("-w", "--watch", is_flag=True, help="Go on with what changes, until Ctrl-C.")
@click.option(
    "-o",
    "--output",
    type=Output(),
    default="table",
    metavar="FORMAT",
    help="table, wide, name, json, yaml or jsonpath='{.metadata.name}' [table].",
)
@click.option("--show-managed-fields", is_flag=True, help="With json and yaml: also who wrote which field.")
@click.pass_context
def command(
    ctx: click.Context,
    words: tuple[str, ...],
    namespace: str | None,
    all_namespaces: bool,
    selector: str,
    watch: bool,
    output: Format,
    show_managed_fields: bool,
) -> None:
    """Show objects of a KIND, such as tasks, servers, pools or assignments; also as KIND/NAME.

    It ends with 1 when one that is named is not there.
    """
    targets = parse(words)
    if all_namespaces and any(target.names for target in targets):
        raise click.UsageError("a name is of one namespace: leave -A away, or the name")
    if watch and (len(targets) > 1 or len(targets[0].names) > 1):
        raise click.UsageError("-w follows one kind, or one object of it; leave the others away")
    place = "" if all_namespaces else namespace_of(ctx, namespace).name

    async def work(client: Client) -> Sequence[str]:
        wanted = resolve(targets, await Resources.discover(client), place)
        looking = _Looking(
            client, selector, output, Screen.of(), all_namespaces, show_managed_fields, commands(ctx), logs_of(ctx)
        )
        if watch:
            return await looking.follow(wanted[0])
        return await (looking.tables(wanted) if output.is_table else looking.documents(wanted))

    try:
        absent = with_client(ctx, work)
    except KeyboardInterrupt:
        if not watch:
            raise
        ctx.exit(INTERRUPTED)  # as a watch ends
    if absent:
        raise click.ClickException("\n".join(absent))


@dataclass(frozen=True, slots=True)
class _Looking:
    """One call of the command. What its methods give is said of names that are not there."""

    client: Client
    selector: str
    output: Format
    screen: Screen
    all_namespaces: bool
    managed_fields: bool
    command: Command
    logs_of: LogsOf

    async def tables(self, wanted: Sequence[Objects]) -> Sequence[str]:
        absent: list[str] = []
        steps: list[str] = []
        printed = False
        for one in wanted:
            table, lacking = await self._table(one)
            absent += lacking
            if table["rows"]:
                rows = self._layout(one.kind, table)
                click.echo(("\n" if printed else "") + rows.render(table["rows"]), nl=False)
                _say_left_out(rows)
                steps += next_steps.of_table(one.kind, table, self.command, self.logs_of)
                printed = True
            elif not one.names:
                click.echo(f"no {one.kind.plural}{self._place(one)}", err=True)
        for step in steps:
            click.echo(step, err=True)
        return absent

    def _place(self, one: Objects) -> str:
        labels = f" with {self.selector}" if self.selector else ""
        return f"{labels} in namespace {one.namespace}; -A looks in all" if one.namespace else labels

    def _layout(self, kind: Kind, table: Obj) -> Rows:
        namespaces = self.all_namespaces and kind.namespaced
        wide = self.output.word == "wide"
        return Rows(table["columnDefinitions"], self.screen, wide=wide, namespaces=namespaces)

    async def _table(self, one: Objects) -> tuple[Obj, Sequence[str]]:
        """The rows of all that is wanted of a kind in one table."""
        whole = self.screen.is_terminal
        if not one.names:
            return await fetch_table(self.client, one.kind, one.namespace, selector=self.selector, whole=whole), ()
        absent: list[str] = []
        table: Obj = {"columnDefinitions": [], "rows": []}
        for name in one.names:
            try:
                found = await fetch_table(self.client, one.kind, one.namespace, name, whole=whole)
            except NotFound:
                absent.append(await missing(self.client, one.kind, name, one.namespace, self.command))
                continue
            table = {**found, "rows": [*table["rows"], *found["rows"]]}
        return table, absent

    async def documents(self, wanted: Sequence[Objects]) -> Sequence[str]:
        absent, found = [], []
        for one in wanted:
            if not one.names:
                listing = await self.client.list(one.kind, one.namespace, label_selector=self.selector)
                found += [
                    (one.kind, self._shown(one.kind, msgspec.json.decode(item, type=Obj))) for item in listing.items
                ]
            for name in one.names:
                try:
                    obj = await self.client.get(one.kind, name, one.namespace)
                    found.append((one.kind, self._shown(one.kind, obj)))
                except NotFound:
                    absent.append(await missing(self.client, one.kind, name, one.namespace, self.command))
        single = len(wanted) == 1 and len(wanted[0].names) == 1
        if not absent or found:
            click.echo(self.output.one(*found[0]) if single and found else self.output.many(found), nl=False)
        return absent

    def _shown(self, kind: Kind, obj: Obj) -> Obj:
        whole = {"apiVersion": kind.api_version, "kind": kind.kind, **obj}  # which an entry of a list need not have
        return whole if self.managed_fields else without_managed_fields(whole)

    async def follow(self, one: Objects) -> Sequence[str]:
        """Prints what there is and what changes, until the API refuses or a person ends it."""
        if one.names:
            try:
                await self.client.get(one.kind, one.names[0], one.namespace)
            except NotFound:
                return [await missing(self.client, one.kind, one.names[0], one.namespace, self.command)]
        show = self._show_rows if self.output.is_table else self._show_objects
        await show(one)
        return ()

    async def _show_rows(self, one: Objects) -> None:
        rows: Rows | None = None
        whole = {"includeObject": "Object"} if self.screen.is_terminal else {}
        async for change, body in changes(self.client, one, self.selector, TABLE, whole):
            rows = rows or self._layout(one.kind, body)
            if body.get("rows"):
                click.echo(rows.render(body["rows"], deleted=change == DELETED), nl=False)

    async def _show_objects(self, one: Objects) -> None:
        async for change, body in changes(self.client, one, self.selector, _JSON, {}):
            for obj in [body] if change else body["items"]:
                click.echo(self._document(one.kind, self._shown(one.kind, obj)), nl=False)

    def _document(self, kind: Kind, obj: Obj) -> str:
        return ("---\n" if self.output.word == "yaml" else "") + self.output.one(kind, obj)


async def fetch_table(
    client: Client, kind: Kind, namespace: str, name: str = "", *, selector: str = "", whole: bool = False
) -> Obj:
    """Objects as the server renders them; the rows hold whole objects, or their metadata alone. Raises ClientError."""
    query = {"labelSelector": selector} if selector else {}
    if whole:
        query["includeObject"] = "Object"
    body = await client.raw("GET", url(kind, namespace, name), query=query, headers=TABLE)
    return msgspec.json.decode(body, type=Obj)


def _say_left_out(rows: Rows) -> None:
    if rows.left_out:
        click.echo(f"columns that do not fit: {', '.join(rows.left_out)}", err=True)
