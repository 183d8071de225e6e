"""The operator's process: `python -m starlink_operator --kubeconfig F --identity NAME`."""

# ruff: noqa: E402 - what comes first holds for what is imported after it
import os

from starlink import collector

collector.rest()

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's threads cost memory and bring nothing here

from starlink_operator import trimmed

trimmed.load()

import argparse
import asyncio
import gc
import logging
import random
import signal
import socket
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from starlink import log as logs
from starlink.api import namespaces
from starlink.api.labels import SERVER_NAMESPACE
from starlink.api.meta import ObjectKey
from starlink.client import reach
from starlink.client.errors import BadConfig, ClientError
from starlink.client.kube import Client
from starlink.client.rights import Missing, Right, denial
from starlink.groups import cause
from starlink_operator import fitness, handlers, rights
from starlink_operator.caches import Caches
from starlink_operator.fitness import Unfit
from starlink_operator.kinds import KINDS
from starlink_operator.leadership import DEFAULT, REQUEST_SECONDS, Leadership, LeadershipLost
from starlink_operator.reconciler import Reconciler
from starlink_operator.writer import AT_ONCE, Writer

log = logging.getLogger("starlink_operator")

CONNECTIONS = AT_ONCE + 4
"""What is told has those that nothing is done over, and one more while all are used."""
UNFIT = 3
"""The exit status where a person has to change something of the cluster first."""
SYNC_SECONDS = 2.0
"""Between two tries to read everything for the first time."""
KOPF_SECONDS = 3.0
"""In which kopf ends its watches by itself."""
_NAMES = (
    ("server-namespace", SERVER_NAMESPACE, "where the Leases of servers lie"),
    ("lease-namespace", DEFAULT.namespace, "where the Lease lies that the leading operator holds"),
    ("lease-name", DEFAULT.name, "the name of that Lease"),
)
"""Options of a name, each with its default."""


def main() -> None:
    collector.begin()
    parser = argparse.ArgumentParser(prog="starlink_operator")
    parser.add_argument(
        "--kubeconfig", type=Path, help="how to reach the API [those of $KUBECONFIG, else as a pod does]"
    )
    parser.add_argument("--context", default="", help="the context of the kubeconfig [its current-context]")
    for option, default, what in _NAMES:
        variable = f"STARLINK_{option.upper().replace('-', '_')}"
        parser.add_argument(
            f"--{option}",
            type=namespaces.named,
            default=os.environ.get(variable) or default,
            help=f"{what} [${variable}, else {default}]",
        )
    parser.add_argument(
        "--identity",
        default=f"{socket.gethostname()}-{os.getpid()}",
        help="its name as leader; one that is given again takes its own lease at once, so no two may run under it",
    )
    parser.add_argument(
        "--allow-local-artifacts",
        action="store_true",
        help="fetch artifacts from loopback and link-local addresses too, to find out which architectures they are for",
    )
    parser.add_argument("--log-level", choices=logs.LEVELS, default="info")
    arguments = parser.parse_args(sys.argv[1:])
    logs.setup(arguments.log_level, "operator")
    logging.getLogger("kopf").setLevel(logging.WARNING)
    try:
        asyncio.run(_run(arguments))
    except BadConfig as error:
        log.error("the operator can't start: %s", error)
        raise SystemExit(2) from None
    except Unfit as error:
        log.error("the operator can't work in this cluster: %s", error)
        raise SystemExit(UNFIT) from None
    except LeadershipLost as error:
        log.error("the leadership is lost: %s", error)
        raise SystemExit(1) from None


async def _run(arguments: argparse.Namespace) -> None:
    config = reach.find(arguments.kubeconfig, arguments.context, os.environ)
    if config.warning:
        log.warning("%s", config.warning)
    missing = Missing(log)
    client = Client(config, timeout=REQUEST_SECONDS, connections=CONNECTIONS, refused=missing.note)
    beats = Client(config, timeout=REQUEST_SECONDS, connections=1, refused=missing.note)  # no write delays a renewal
    lease = ObjectKey(arguments.lease_namespace, arguments.lease_name)
    leadership = Leadership(beats, arguments.identity, time.monotonic, time.time, lease)
    reads = [entry.reads for entry in KINDS]
    observed = Caches(client, time.monotonic, time.time, _jitter, arguments.server_namespace, reads)
    stop = asyncio.Event()
    writer = Writer(client, observed, time.time, lambda: leadership.leads and not stop.is_set())
    reconciler = Reconciler(observed, writer, time.monotonic, allow_local=arguments.allow_local_artifacts)
    needed = rights.needed(arguments.server_namespace, lease)
    running = asyncio.create_task(_lead(client, leadership, observed, reconciler, needed, missing))
    _heed_signals(stop)
    heed = partial(_heed_signals, stop)  # in place of kopf's, which would let the rest run on for a while
    kopf_running = asyncio.create_task(handlers.bring(config, client, observed, time.monotonic, stop, heed))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait((running, kopf_running, stopped), return_when=asyncio.FIRST_COMPLETED)
    over = running.done()
    stop.set()
    running.cancel()
    results = await asyncio.gather(running, return_exceptions=True)
    if leadership.leads:
        await leadership.give_back()
    kopf_running.cancel()
    await asyncio.wait((kopf_running,), timeout=KOPF_SECONDS)
    client.close()
    beats.close()
    if over and isinstance(results[0], BaseException):
        raise results[0]
    log.info("stopped")


def _heed_signals(stop: asyncio.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


async def _lead(
    client: Client,
    leadership: Leadership,
    observed: Caches,
    reconciler: Reconciler,
    needed: Sequence[Right],
    missing: Missing,
) -> None:
    """Follows, syncs, and reconciles while leading, where the cluster can hold this StarLink. Raises LeadershipLost,
    Unfit."""
    try:
        async with asyncio.TaskGroup() as group:
            await fitness.check_version(client)
            if not await rights.are_there(client, needed, missing):
                group.create_task(rights.look(client, needed, missing))
            await fitness.check_crds(client)
            group.create_task(observed.run())
            dead = await fitness.demand_alone(client, leadership.lease, time.monotonic)
            await leadership.acquire()
            group.create_task(leadership.hold())
            await fitness.demand_alone(client, leadership.lease, time.monotonic, dead)  # or two that begin at once
            await _sync(observed)
            gc.freeze()  # what was read first stays for long
            group.create_task(reconciler.run())
    except BaseExceptionGroup as errors:
        raise cause(errors, LeadershipLost, Unfit) from None


async def _sync(observed: Caches) -> None:
    told = ""
    while True:
        try:
            await observed.synced()
            log.info("synced", extra={"tasks": len(observed.tasks.objects), "servers": len(observed.servers.objects)})
            return
        except ClientError as error:
            if told != (told := str(error)) and not denial(error):
                log.warning("could not sync yet: %s", error)
            await asyncio.sleep(SYNC_SECONDS)


def _jitter() -> float:
    return random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, keeps no secret


if __name__ == "__main__":
    main()
