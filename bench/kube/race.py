"""The race: StarLink, StarLink's operator on Kubernetes' API server, and Kubernetes, in turn on the same machine."""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tests.kube.programs import ETCD, KUBERNETES

from bench import fleet
from bench.kube import api, courses
from bench.kube.ledger import RACERS, Ledger
from bench.kube.sites import SITES
from bench.kube.sizes import Sizes
from bench.report import publish, table
from starlink.client.errors import ClientError

FAILURES = (ClientError, RuntimeError, TimeoutError, EOFError, OSError, ExceptionGroup)


def main() -> None:
    """Runs, and publishes what a whole race has found."""
    sizes, ledger = Sizes.asked(), Ledger()
    fleet.allow_connections()
    began = _machine()
    folder = Path(tempfile.mkdtemp(prefix="starlink-race-"))
    try:
        api.run(folder, sizes, ledger)
        for number in range(sizes.rounds):
            _round(number, folder, sizes, ledger)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if sizes != Sizes():
        print(table(ledger.results()))
        return
    seen = {"at the start": began, "at the end": _machine(), "failed": ledger.failures}
    publish("kube", ledger.results(), circumstances=seen, peers=_versions())


def _round(number: int, folder: Path, sizes: Sizes, ledger: Ledger) -> None:
    """All racers, each round with another one first."""
    start = number % len(RACERS)
    for racer in (*RACERS[start:], *RACERS[:start]):
        print(f"round {number + 1} of {sizes.rounds}: {racer}, load {os.getloadavg()[0]:.1f}", flush=True)
        place = folder / f"{number}-{RACERS.index(racer)}"
        place.mkdir()
        try:
            asyncio.run(_run(racer, place, sizes, ledger))
        except FAILURES as error:  # of one racer in one round: the others go on
            ledger.failed(f"round {number + 1}: {racer}: {error!r}")
        shutil.rmtree(place, ignore_errors=True)


async def _run(racer: str, folder: Path, sizes: Sizes, ledger: Ledger) -> None:
    async with SITES[racer](folder) as site:
        await courses.run(site, sizes, ledger)


def _machine() -> dict[str, Any]:
    return {"load": list(os.getloadavg()), "cores": sorted(os.sched_getaffinity(0))}


def _versions() -> dict[str, str]:
    return {"kubernetes": KUBERNETES.version, "etcd": ETCD.version}
