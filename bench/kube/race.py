"""The race: StarLink, StarLink's operator on Kubernetes' API server, and Kubernetes, in turn on the same machine."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.kube.programs import ETCD, KUBERNETES

from bench import fleet
from bench.kube import api, bulk, courses
from bench.kube.ledger import RACERS, Ledger
from bench.kube.sites import SITES
from bench.kube.sizes import Sizes
from bench.report import keep, table, versions


def main() -> None:
    """Runs, and prints what was found. What a race of whole size has found is kept after each round."""
    sizes, ledger, began = Sizes.asked(), Ledger(), _machine()
    fleet.allow_connections()
    print(f"  {versions() | _versions()}; {began}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="starlink-race-"))
    try:
        with _told(ledger, "the API alone"):
            api.run(folder, sizes, ledger)
            bulk.run(folder, sizes, ledger)
        _keep(sizes, ledger, began)
        for number in range(sizes.rounds):
            _round(number, folder, sizes, ledger)
            _keep(sizes, ledger, began)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(table(ledger.results()))
    print(f"  {versions() | _versions()}; at the start {began}; at the end {_machine()}; failed: {ledger.failures}")


def _round(number: int, folder: Path, sizes: Sizes, ledger: Ledger) -> None:
    """All racers, each round with another one first."""
    start = number % len(RACERS)
    for racer in (*RACERS[start:], *RACERS[:start]):
        print(f"round {number + 1} of {sizes.rounds}: {racer}, load {os.getloadavg()[0]:.1f}", flush=True)
        place = folder / f"{number}-{RACERS.index(racer)}"
        place.mkdir()
        with _told(ledger, f"round {number + 1}: {racer}"):
            asyncio.run(_run(racer, place, sizes, ledger, many=number < sizes.many_rounds))
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _told(ledger: Ledger, what: str) -> Iterator[None]:
    """Where one thing fails, the others go on."""
    try:
        yield
    except Exception as error:
        ledger.failed(f"{what}: {error!r}")


def _keep(sizes: Sizes, ledger: Ledger, began: Mapping[str, Any]) -> None:
    if sizes.is_whole:
        seen = {"at the start": began, "at the end": _machine(), "failed": ledger.failures}
        keep("kube", ledger.results(), circumstances=seen, peers=_versions())


async def _run(racer: str, folder: Path, sizes: Sizes, ledger: Ledger, *, many: bool) -> None:
    async with SITES[racer](folder) as site:
        await courses.run(site, sizes, ledger, many=many)


def _machine() -> dict[str, Any]:
    return {"load": list(os.getloadavg()), "cores": sorted(os.sched_getaffinity(0))}


def _versions() -> dict[str, str]:
    return {"kubernetes": KUBERNETES.version, "etcd": ETCD.version}
