"""What files declare beside what is there: each object as it is, and as the server would store it. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from starlink.api.kinds import NAMESPACE, Kind
from starlink.api.merge_patch import merge
from starlink.cli.apply import patch_to
from starlink.cli.manifests import Manifest
from starlink.cli.namespace import Namespace
from starlink.cli.placed import Placed, placed
from starlink.cli.refusals import Refusals
from starlink.client.errors import ClientError, Forbidden, NotFound
from starlink.client.kube import Client

_DRY_RUN = {"dryRun": "All", "fieldValidation": "Strict"}

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Intended:
    """An object before and after the apply. `before` is None when there is no such object. `unchecked` says why the
    server was not asked what it makes of the apply, "" when it was asked. `is_seen` says whether `before` could be
    read."""

    placed: Placed
    before: Obj | None
    after: Obj
    unchecked: str = ""
    is_seen: bool = True

    @property
    def name(self) -> str:
        return str(self.placed)


async def intend(client: Client, manifests: Sequence[Manifest], otherwise: Namespace) -> list[Intended]:
    """Asks the server what it would store. Raises ClickException naming the document."""
    wanted = await placed(client, manifests, otherwise)
    asking = _Asking(client, {one.manifest.name for one in wanted if one.kind == NAMESPACE})
    return [await asking.about(one) for one in wanted]


@dataclass(frozen=True, slots=True)
class _Asking:
    """`namespaces` come with the files. The server validates and fills in defaults, and dryRun keeps it from writing;
    where it can't be asked, an object is as it is written."""

    client: Client
    namespaces: set[str]

    async def about(self, one: Placed) -> Intended:
        try:
            return await self._answer(one)
        except ClientError as error:
            raise click.ClickException(await Refusals(self.client).told(one, error)) from None

    async def _answer(self, one: Placed) -> Intended:
        try:
            current = await self.client.get(one.kind, one.manifest.name, one.place)
        except Forbidden:
            why = f"you may not read {_where(one.kind, one.place)}"
            return Intended(one, None, _written(one), why, is_seen=False)
        except NotFound:
            return await self._created(one)
        patch = patch_to(one.manifest, current)
        try:
            after = await self.client.patch(one.kind, one.manifest.name, patch, one.place, query=_DRY_RUN)
        except Forbidden as error:
            _demand_of_rights(error)
            return Intended(one, current, merge(current, patch), _may_not_write(one))
        return Intended(one, current, after)

    async def _created(self, one: Placed) -> Intended:
        try:
            return Intended(one, None, await self.client.create(one.kind, one.manifest.body, one.place, query=_DRY_RUN))
        except Forbidden as error:
            _demand_of_rights(error)
            return Intended(one, None, _written(one), _may_not_write(one))
        except NotFound:
            if one.place not in self.namespaces:
                raise
            return Intended(one, None, _written(one), f"namespace {one.place} is not there yet")


def _written(one: Placed) -> Obj:
    return {**one.manifest.body, "metadata": {**one.manifest.body["metadata"], "namespace": one.place}}


def _demand_of_rights(error: Forbidden) -> None:
    """Raises the refusal of one that may write such objects, but not this one: it has a cause, as a policy gives."""
    if error.details.get("causes"):
        raise error


def _may_not_write(one: Placed) -> str:
    return f"you may not write {_where(one.kind, one.place)}"


def _where(kind: Kind, place: str) -> str:
    return f"{kind.plural} in {place}" if place else kind.plural
