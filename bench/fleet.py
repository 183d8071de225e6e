"""A simulated fleet: many machines in one process, each as its agent is on the wire.

A `Machine` registers, beats, watches what is bound to it, and reports each instance as running. All machines share an
administrator's certificate, and the connections of their requests; each has a connection of its own for its watch.
"""

import asyncio
import multiprocessing
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol, Self

import msgspec

from starlink.client.config import load
from starlink.client.kube import Client

CLIENTS = 4  # of eight connections each; heartbeats have their own, so that no report delays one
STARTING = 32
READY_SECONDS = 300.0
SEEN_SECONDS = 900.0
ZONES = 8
CAPACITY = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "500Gi"}


class Seen(msgspec.Struct):
    """What the fleet tells: when the last instance that was expected was seen (monotonic), how many each machine has
    seen since it started, and how many heartbeats have failed."""

    at: float
    counts: list[int]
    missed: int


class Tally:
    """How many instances the fleet has seen, when the last one came, and how many heartbeats failed."""

    def __init__(self) -> None:
        self.seen = 0
        self.at = 0.0
        self.missed = 0
        self._expected = 0
        self._complete = asyncio.Event()

    def count(self) -> None:
        self.seen += 1
        self.at = time.monotonic()
        if self.seen >= self._expected:
            self._complete.set()

    async def reach(self, expected: int) -> None:
        """Waits until so many have been seen."""
        self._expected = expected
        self._complete.clear()
        if self.seen < expected:
            await self._complete.wait()


class Machine(Protocol):
    """One machine of the fleet. `seen` are the instances that its watch has brought."""

    def __init__(self, number: int, client: Client, beats: Client, tally: Tally) -> None: ...

    @property
    def seen(self) -> int: ...

    @staticmethod
    async def prepare(client: Client) -> None:
        """What the whole fleet needs first. Raises ClientError."""

    async def start(self, group: asyncio.TaskGroup) -> None:
        """Registers, beats for the first time, and watches. Raises ClientError."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The process of the simulated machines, and our end of its pipe."""

    process: BaseProcess
    end: Connection

    @classmethod
    def of(cls, machine: type[Machine], kubeconfig: Path, machines: int) -> Self:
        """Starts it."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_run, args=(theirs, kubeconfig, machines, machine), daemon=True)
        process.start()
        theirs.close()
        return cls(process, ours)

    async def ready(self) -> None:
        """Waits until every machine watches. Raises TimeoutError, and EOFError when it has ended."""
        await self._told(READY_SECONDS)

    def expect(self, instances: int) -> None:
        """Has it tell when so many have been seen since it started."""
        self.end.send(instances)

    async def seen(self) -> Seen:
        """Waits for that. Raises TimeoutError, and EOFError when it has ended."""
        told = await self._told(SEEN_SECONDS)
        assert isinstance(told, Seen)
        return told

    async def _told(self, seconds: float) -> object:
        if not await asyncio.to_thread(self.end.poll, seconds):
            raise TimeoutError(f"the fleet said nothing for {seconds:g} s")
        return self.end.recv()

    def stop(self) -> None:
        """Ends it at once."""
        self.process.kill()
        self.process.join()
        self.end.close()


def _run(parent: Connection, kubeconfig: Path, machines: int, machine: type[Machine]) -> None:
    """The process: says `ready`, then `Seen` for each number that it is given; goes on until it is killed."""
    allow_connections()
    asyncio.run(_fleet(parent, kubeconfig, machines, machine))


async def _fleet(parent: Connection, kubeconfig: Path, machines: int, machine: type[Machine]) -> None:
    config = load(kubeconfig)
    clients = [Client(config) for _ in range(CLIENTS)]
    beats = Client(config)
    tally = Tally()
    fleet = [machine(number, clients[number % CLIENTS], beats, tally) for number in range(machines)]
    await machine.prepare(beats)
    async with asyncio.TaskGroup() as group:
        for first in range(0, machines, STARTING):
            await asyncio.gather(*(one.start(group) for one in fleet[first : first + STARTING]))
        parent.send("ready")
        while True:
            await tally.reach(await asyncio.to_thread(parent.recv))
            parent.send(Seen(tally.at, [one.seen for one in fleet], tally.missed))


def allow_connections() -> None:
    """Lets this process, and those that it starts, hold as many connections as the system lets anyone."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def name(number: int) -> str:
    """A simulated machine's."""
    return f"sim-{number:05}"


def zone(number: int) -> str:
    """The zone that it is in."""
    return f"zone-{number % ZONES}"


def spread(counts: Sequence[int]) -> str:
    """How even the fleet is filled, for people."""
    return f"{min(counts)} to {max(counts)} a server"
