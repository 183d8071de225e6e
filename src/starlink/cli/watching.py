"""What there is of a kind, and then each change."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from starlink.cli.targets import Objects
from starlink.client.errors import Gone
from starlink.client.kube import Client, url

DELETED = "DELETED"
_WHOLE_LIST = ""

Obj = dict[str, Any]


async def changes(
    client: Client, one: Objects, selector: str, headers: Mapping[str, str], query: Mapping[str, str]
) -> AsyncIterator[tuple[str, Obj]]:
    """The whole list, with "" for the type of event, then each event; the list again where the server no longer knows
    what came since. Headers and query say in which form. Raises ClientError."""
    fields = f"metadata.name={one.names[0]}" if one.names else ""
    selectors = {"labelSelector": selector, "fieldSelector": fields}
    listing = {**query, **{key: value for key, value in selectors.items() if value}}
    while True:
        body = await client.raw("GET", url(one.kind, one.namespace), query=listing, headers=headers)
        listed = msgspec.json.decode(body, type=Obj)
        yield _WHOLE_LIST, listed
        version = listed["metadata"]["resourceVersion"]
        try:
            while True:  # the server ends a watch now and then
                async for event in client.watch(
                    one.kind, one.namespace, resource_version=version, label_selector=selector, field_selector=fields,
                    query=query, headers=headers,
                ):  # fmt: skip
                    told = msgspec.json.decode(event.object, type=Obj)
                    version = told["metadata"].get("resourceVersion") or version
                    if event.type != "BOOKMARK":
                        yield event.type, told
        except Gone:
            continue
