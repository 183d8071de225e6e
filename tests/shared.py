"""One StarLink of a worker, lent to its modules one after the other: starting one takes the CPU of some ten tests."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

import msgspec

from starlink.client.config import BadConfig, load
from starlink.client.errors import ClientError
from starlink.client.kube import Client

if TYPE_CHECKING:
    from tests.conftest import Starlink

SECONDS = 20.0
"""In which what a module left must go; else its StarLink goes."""
_BEATS = "leases"
"""What the parts write all the time."""
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
Held = Mapping[str, Any]
"""What an API has, by path: all of it but status and what is written with each change."""


class Shared:
    """Starts a StarLink when one is wanted, and another when a module left it otherwise than it was."""

    def __init__(self, start: Callable[[], "AbstractContextManager[Starlink]"]) -> None:
        self._start = start
        self._stack = ExitStack()
        self._lent: Starlink | None = None
        self._parts: Any = None
        self._held: Held = {}

    def lend(self) -> "Starlink":
        """One that runs and has nothing but itself."""
        if self._lent is None:
            self._lent = self._stack.enter_context(self._start())
            self._parts = _parts(self._lent)
            self._held = asyncio.run(_cleared(self._lent, {}))
        return self._lent

    def take_back(self) -> None:
        """Deletes what is there and was not, and stops a StarLink that is still another than it was."""
        assert self._lent is not None
        with contextlib.suppress(ClientError, BadConfig, OSError, KeyError, ValueError):
            if _parts(self._lent) == self._parts and asyncio.run(_cleared(self._lent, self._held)) == self._held:
                return
        self.stop()

    def stop(self) -> None:
        self._stack.close()
        self._lent = None


def _parts(starlink: "Starlink") -> Any:
    """Its processes and options, and the files that tasks may take."""
    state = starlink.state
    return state, starlink.settings, sorted(path.name for path in starlink.artifacts.iterdir())


async def _cleared(starlink: "Starlink", wanted: Held) -> Held:
    """What its API has in the end, once nothing but what is wanted is left or the time is up; where nothing is wanted,
    what it has."""
    end = time.monotonic() + SECONDS
    async with Client(load(starlink.kubeconfig)) as client:
        while True:
            held = await _held(client)
            extra = [path for path in held if path not in wanted]
            if not wanted or (not extra and not starlink.processes()) or time.monotonic() > end:
                return held
            tasks = [path for path in extra if "/tasks/" in path]
            for path in tasks or extra:  # their instances go with them
                with contextlib.suppress(ClientError):
                    await client.raw("DELETE", path)
            await asyncio.sleep(0.1)


async def _held(client: Client) -> Held:
    found: dict[str, Any] = {}
    groups = (await _get(client, "/apis"))["groups"]
    for base in ("/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)):
        for resource in (await _get(client, base))["resources"]:
            if {"list", "delete"} <= {*resource["verbs"]} and resource["name"] != _BEATS:
                listed = await _get(client, f"{base}/{resource['name']}")
                lasting = _nothing if resource["name"] == "events" else _lasting
                found |= {_path(base, resource, obj["metadata"]): lasting(obj) for obj in listed["items"]}
    return found


async def _get(client: Client, path: str) -> Any:
    return msgspec.json.decode(await client.raw("GET", path))


def _path(base: str, resource: Mapping[str, Any], meta: Mapping[str, Any]) -> str:
    within = f"/namespaces/{meta['namespace']}" if resource["namespaced"] else ""
    return f"{base}{within}/{resource['name']}/{meta['name']}"


def _nothing(_: dict[str, Any]) -> str:
    """An Event is told again and again."""
    return ""


def _lasting(obj: dict[str, Any]) -> str:
    """What a module may not change for the next. A field that is empty is as one that is not there."""
    meta = {key: obj["metadata"].get(key) for key in ("uid", "labels", "finalizers")}
    notes = {key: value for key, value in obj["metadata"].get("annotations", {}).items() if key != _APPLIED}
    rest = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion", "metadata", "status")}
    if isinstance(spec := obj.get("spec"), dict):
        rest["spec"] = {key: value for key, value in spec.items() if value}
    return json.dumps([rest, meta, notes], sort_keys=True)
