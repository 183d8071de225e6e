"""The agent's process: `python -m starlink_nodeagent --kubeconfig F --name NAME --data-dir D`."""

# ruff: noqa: E402 - what comes first holds while the rest is imported
from starlink import collector

collector.rest()

from starlink.interrupts import end_silently

end_silently()

import argparse
import asyncio
import logging
import os
import random
import signal
import sys
import time
from pathlib import Path

from starlink import log as logs
from starlink.api import namespaces
from starlink.api.labels import SERVER_NAMESPACE
from starlink.client import reach
from starlink.client.errors import BadConfig
from starlink.client.kube import Client
from starlink.client.rights import Missing
from starlink.files import folder, lock
from starlink_nodeagent.agent import Agent
from starlink_nodeagent.artifacts.eviction import BadLimit, limits
from starlink_nodeagent.assembly import assembled
from starlink_nodeagent.journal.journal import Journal
from starlink_nodeagent.layout import AGENT_ID, ARTIFACTS, INSTANCES, LOCK, SETTINGS, TASK_UIDS, TOKEN
from starlink_nodeagent.machine import machine, resources
from starlink_nodeagent.processes import confinement
from starlink_nodeagent.server import identity
from starlink_nodeagent.server.link import ServerDeleted, ServersUndefined
from starlink_nodeagent.server.refusal import Refused
from starlink_nodeagent.server.registration import NameTaken
from starlink_nodeagent.stop_all import StillRunning, park_all
from starlink_nodeagent.users.policy import UnknownUser, Users, users
from starlink_nodeagent.users.uids import DEFAULTS, BadRange

log = logging.getLogger("starlink_nodeagent")

BAD_USAGE, NAME_TAKEN, REFUSED, STILL_RUNNING, UNDEFINED = 2, 3, 4, 5, 6


def main() -> None:
    collector.begin()
    arguments = _parse(sys.argv[1:])
    logs.setup(arguments.log_level, "agent")
    os.umask(0o022)
    data_dir = arguments.data_dir.resolve()
    try:
        folder.claim(data_dir, (LOCK, AGENT_ID, INSTANCES, SETTINGS))
        lock = _lock(data_dir)
        if arguments.command == "stop-instances":
            stopped = asyncio.run(park_all(data_dir))
            log.info("stopped the instances", extra={"instances": stopped})
        else:
            whom = users(arguments.task_user, arguments.task_uids, data_dir / TASK_UIDS)
            confinement.settle(users_alone=whom.shared is None)
            asyncio.run(_run(arguments, data_dir, whom))
        os.close(lock)
    except NameTaken as error:
        log.error("%s", error)
        raise SystemExit(NAME_TAKEN) from None
    except Refused as error:
        log.error("the agent gives up: %s", error)
        raise SystemExit(REFUSED) from None
    except folder.NotUsable as error:
        log.error("the agent can't start: --data-dir %s: %s", data_dir, error)
        raise SystemExit(BAD_USAGE) from None
    except StillRunning as error:
        log.error("%s", error)
        raise SystemExit(STILL_RUNNING) from None
    except ServersUndefined as error:
        log.warning("%s", error)
        raise SystemExit(UNDEFINED) from None
    except ServerDeleted as error:
        log.warning("%s", error)
    except (BadConfig, BadRange, UnknownUser, machine.UnknownMachine, BlockingIOError) as error:
        log.error("the agent can't start: %s", error)
        raise SystemExit(BAD_USAGE) from None


class _PeoplesOption(argparse.Action):
    """What decides which work comes to a server is not the agent's to say."""

    def __call__(
        self, parser: argparse.ArgumentParser, _namespace: object, values: object, option: object = ""
    ) -> None:
        parser.error(f"{option} {values}: people set a server's labels: `starlink server add NAME --label KEY=VALUE`")


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="starlink agent", description="Run this server's node agent.")
    parser.add_argument("command", nargs="?", choices=["run", "stop-instances"], default="run", help=argparse.SUPPRESS)
    parser.add_argument(
        "--kubeconfig", type=Path, help="how to reach the API, from `starlink server add` [as a pod does]"
    )
    parser.add_argument("--context", default="", help="the context of the kubeconfig [its current-context]")
    parser.add_argument(
        "--server-namespace",
        type=namespaces.named,
        default=os.environ.get(namespaces.SERVERS_VARIABLE, ""),
        help=f"where the Leases of servers lie [${namespaces.SERVERS_VARIABLE}, else {SERVER_NAMESPACE}]",
    )
    parser.add_argument("--name", help="the server's name")
    parser.add_argument("--data-dir", type=Path, required=True, help="journal, instances and artifact cache")
    parser.add_argument("--artifact-dir", type=Path, help="where artifacts named file:NAME lie")
    parser.add_argument(
        "--allow-local-artifacts",
        action="store_true",
        help="fetch artifacts from loopback and link-local addresses too",
    )
    parser.add_argument("--cache-size", default="", help="how much fetched artifacts may take, such as 10Gi")
    parser.add_argument("--cache-age", default="", help="how long an unused artifact is kept, such as 720h")
    parser.add_argument("--address", default="", help="the address at which instances are reached")
    parser.add_argument("--label", action=_PeoplesOption, help=argparse.SUPPRESS)
    parser.add_argument(
        "--resource",
        action="append",
        default=[],
        metavar="NAME=COUNT",
        help="a further resource that the server has, such as example.com/dongle=2; may be given again",
    )
    parser.add_argument("--task-user", help="as root: the one user that all tasks run as, in place of one each")
    parser.add_argument(
        "--task-uids",
        metavar="FIRST-LAST",
        help=f"as root: each task runs as a user of its own with one of these numbers (default {DEFAULTS[0]})",
    )
    parser.add_argument("--log-level", choices=logs.LEVELS, default="info")
    arguments = parser.parse_args(argv)
    if arguments.command == "run" and not arguments.name:
        parser.error("--name is needed")
    try:
        arguments.resource = resources.declared(arguments.resource)
        arguments.cache_limits = limits(arguments.cache_size, arguments.cache_age)
    except resources.BadResource as error:
        parser.error(f"--resource {error}")
    except BadLimit as error:
        parser.error(str(error))
    return arguments


def _lock(data_dir: Path) -> int:
    """Held while the agent lives: two agents of one data directory would start everything twice."""
    try:
        return lock.take(data_dir / LOCK)
    except BlockingIOError:
        raise BlockingIOError(f"another agent runs on {data_dir}; stop it, or give another --data-dir") from None


async def _run(arguments: argparse.Namespace, data_dir: Path, whom: Users) -> None:
    host = assembled(
        arguments.name,
        Journal(data_dir / INSTANCES),
        data_dir / ARTIFACTS,
        arguments.artifact_dir,
        whom,
        server_namespace=arguments.server_namespace or SERVER_NAMESPACE,
        allow_local_artifacts=arguments.allow_local_artifacts,
        cache_limits=arguments.cache_limits,
    )
    config = reach.of_agent(arguments.kubeconfig, arguments.context, os.environ)
    if config.warning:
        log.warning("%s", config.warning)
    missing = Missing(log)
    client = Client(identity.with_token_file(config, data_dir / TOKEN), refused=missing.note)
    facts = machine.observe(data_dir, arguments.address, arguments.resource)
    agent = Agent(client, host, facts, _elapsed, _jitter)
    log.info("started", extra={"server": host.server, "users": str(host.users)})
    running = asyncio.create_task(agent.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        log.info("stopped; instances go on running")


def _elapsed() -> float:
    """Seconds since the machine was started, those asleep too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _jitter() -> float:
    return random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, keeps no secret


if __name__ == "__main__":
    main()
