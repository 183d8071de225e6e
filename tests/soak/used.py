"""What a standalone StarLink uses: memory, descriptors and threads of each part, its files, and its objects."""

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tests.conftest import Starlink

MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Process:
    """A part of StarLink: its own memory in megabytes, and the number of its descriptors and threads."""

    megabytes: float
    descriptors: int
    threads: int


@dataclass(frozen=True)
class Used:
    """`files` are relative to the data directory, logs left out, which are rotated; `megabytes` are theirs, `logs` those
    of the logs. `objects` are the paths of all objects but Events, which go in time."""

    parts: dict[str, Process]
    files: frozenset[str]
    megabytes: float
    logs: float
    objects: frozenset[str]


def used(starlink: Starlink, client: httpx.Client) -> Used:
    """What is used now."""
    sizes = _sizes(starlink.data)
    logs = {path for path in sizes if path.startswith("logs/")}
    return Used(
        parts={name: _process(pid) for name, pid in starlink.state["children"].items() if pid},
        files=frozenset(sizes) - logs,
        megabytes=sum(size for path, size in sizes.items() if path not in logs) / MEGABYTE,
        logs=sum(sizes[path] for path in logs) / MEGABYTE,
        objects=frozenset(_objects(client)),
    )


def _sizes(folder: Path) -> dict[str, int]:
    """The bytes on the disk of each file below a folder; what goes meanwhile is left out."""
    sizes = {}
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            with contextlib.suppress(FileNotFoundError):
                found = path.lstat()
                if stat.S_ISREG(found.st_mode):
                    sizes[str(path.relative_to(folder))] = found.st_blocks * 512
    return sizes


def _process(pid: int) -> Process:
    own = sum(
        int(line.split()[1])
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        if line.startswith(("Private_", "SwapPss:"))
    )
    return Process(own / 1024, len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task")))


def _objects(client: httpx.Client) -> list[str]:
    found = []
    for prefix, resource in _resources(client):
        for item in client.get(f"{prefix}/{resource}").raise_for_status().json()["items"]:
            meta = item["metadata"]
            found.append(f"{prefix}/{resource}/{meta.get('namespace', '')}/{meta['name']}")
    return found


def _resources(client: httpx.Client) -> list[tuple[str, str]]:
    groups = [group["preferredVersion"]["groupVersion"] for group in _get(client, "/apis")["groups"]]
    prefixes = ["/api/v1", *(f"/apis/{version}" for version in groups)]
    return [
        (prefix, resource["name"])
        for prefix in prefixes
        for resource in _get(client, prefix)["resources"]
        if "list" in resource["verbs"] and resource["name"] != "events"
    ]


def _get(client: httpx.Client, path: str) -> Any:
    return client.get(path).raise_for_status().json()
