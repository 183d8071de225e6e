"""The operator's process: `python -m starlink_operator --kubeconfig F --identity NAME`."""

# ruff: noqa: E402 - what comes first holds for what is imported after it
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's threads cost memory and bring nothing here
for unused in ("kubernetes", "kubernetes_asyncio", "pykube"):
    sys.modules[unused] = None  # type: ignore[assignment]  # kopf would import one that is there, for 21 MB and no use

import argparse
import asyncio
import gc
import logging
import random
import signal
import socket
import time
from pathlib import Path

from starlink import log as logs
from starlink.client.config import BadConfig, load
from starlink.client.errors import ClientError
from starlink.client.kube import Client
from starlink.groups import cause
from starlink_operator import apply, handlers, telling
from starlink_operator.leadership import REQUEST_SECONDS, Leadership, LeadershipLost
from starlink_operator.observed import Observed
from starlink_operator.reconciler import Reconciler
from starlink_operator.writer import Writer

log = logging.getLogger("starlink_operator")

CONNECTIONS = apply.AT_ONCE + telling.AT_ONCE
KOPF_SECONDS = 3.0
"""In which kopf ends its watches by itself."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="starlink_operator")
    parser.add_argument("--kubeconfig", type=Path, required=True, help="how to reach the API")
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
    except LeadershipLost as error:
        log.error("the leadership is lost: %s", error)
        raise SystemExit(1) from None


async def _run(arguments: argparse.Namespace) -> None:
    config = load(arguments.kubeconfig)
    client = Client(config, timeout=REQUEST_SECONDS, connections=CONNECTIONS)
    beats = Client(config, timeout=REQUEST_SECONDS, connections=1)  # so that no write delays a renewal
    leadership = Leadership(beats, arguments.identity, time.monotonic, time.time)
    observed = Observed(client, time.monotonic, time.time, _jitter)
    stop = asyncio.Event()
    running = asyncio.create_task(_lead(client, leadership, observed, stop, arguments.allow_local_artifacts))
    spawned, others = await handlers.spawn(config, observed, stop)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):  # in place of kopf's, which would let the rest run on for a while
        loop.add_signal_handler(number, stop.set)
    kopf_running = asyncio.create_task(handlers.run(spawned, others))
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


async def _lead(
    client: Client, leadership: Leadership, observed: Observed, stop: asyncio.Event, allow_local: bool
) -> None:
    """Follows, syncs, and reconciles while leading."""
    writer = Writer(client, observed, time.time, lambda: leadership.leads and not stop.is_set())
    reconciler = Reconciler(observed, writer, time.monotonic, allow_local=allow_local)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(observed.run())
            await leadership.acquire()
            group.create_task(leadership.hold())
            await _sync(observed)
            gc.collect()
            gc.freeze()
            group.create_task(reconciler.run())
    except BaseExceptionGroup as errors:
        raise cause(errors, LeadershipLost) from None


async def _sync(observed: Observed) -> None:
    while True:
        try:
            await observed.synced()
            log.info("synced", extra={"tasks": len(observed.tasks.objects), "servers": len(observed.servers.objects)})
            return
        except ClientError as error:
            log.warning("could not sync yet: %s", error)
            await asyncio.sleep(1.0)


def _jitter() -> float:
    return random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, keeps no secret


if __name__ == "__main__":
    main()
