"""`starlink get`: objects as tables that the server renders, or as YAML or JSON."""

import json
from typing import Any

import click
import msgspec
import yaml

from starlink.api.kinds import Kind
from starlink.cli.cluster import with_client
from starlink.cli.namespace import namespace_of, namespace_option
from starlink.cli.resources import Resources
from starlink.client.kube import Client, url

TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}

Obj = dict[str, Any]


@click.command()
@click.argument("kind")
@click.argument("name", required=False)
@namespace_option
@click.option("-A", "--all-namespaces", is_flag=True, help="Look in all namespaces.")
@click.option("-l", "--selector", default="", help="Only objects with these labels.")
@click.option(
    "-o", "--output", type=click.Choice(["table", "wide", "yaml", "json"]), default="table", help="How to print."
)
@click.pass_context
def command(
    ctx: click.Context,
    kind: str,
    name: str | None,
    namespace: str | None,
    all_namespaces: bool,
    selector: str,
    output: str,
) -> None:
    """Show objects of a KIND, such as tasks, servers or assignments."""
    place = "" if all_namespaces else namespace_of(ctx, namespace).name

    async def work(client: Client) -> None:
        for number, word in enumerate(kind.split(",")):
            found = (await Resources.discover(client)).named(word)
            if output in ("yaml", "json"):
                click.echo(await _document(client, found, place, name, selector, output), nl=False)
                continue
            table = await fetch_table(client, found, place, name, selector)
            if number:
                click.echo()
            click.echo(render(table, wide=output == "wide", namespaces=all_namespaces and found.namespaced), nl=False)

    with_client(ctx, work)


async def _document(client: Client, kind: Kind, namespace: str, name: str | None, selector: str, output: str) -> str:
    if name:
        document = await client.get(kind, name, namespace)
    else:
        listing = await client.list(kind, namespace, label_selector=selector)
        items = [msgspec.json.decode(item) for item in listing.items]
        document = {"apiVersion": "v1", "kind": "List", "items": items}
    if output == "json":
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


async def fetch_table(client: Client, kind: Kind, namespace: str, name: str | None, selector: str) -> Obj:
    query = {"labelSelector": selector} if selector else {}
    body = await client.raw("GET", url(kind, namespace, name or ""), query=query, headers=TABLE)
    return msgspec.json.decode(body, type=Obj)


def render(table: Obj, *, wide: bool, namespaces: bool) -> str:
    """A Table as aligned text. Pure."""
    shown = [i for i, column in enumerate(table["columnDefinitions"]) if wide or not column.get("priority")]
    header = [table["columnDefinitions"][i]["name"].upper() for i in shown]
    rows = [[_text(row["cells"][i]) for i in shown] for row in table["rows"]]
    if namespaces:
        header.insert(0, "NAMESPACE")
        for row, cells in zip(table["rows"], rows, strict=True):
            cells.insert(0, row["object"]["metadata"].get("namespace", ""))
    if not rows:
        return "No resources found.\n"
    widths = [max(len(cells[i]) for cells in (header, *rows)) for i in range(len(header))]
    lines = (
        "   ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) for cells in (header, *rows)
    )
    return "".join(line.rstrip() + "\n" for line in lines)


def _text(cell: Any) -> str:
    if cell is None:
        return "<none>"
    return str(cell).lower() if isinstance(cell, bool) else str(cell)
