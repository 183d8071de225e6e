"""The agent's Server: made or adopted, and told what the machine is."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from starlink import __version__
from starlink.api import labels
from starlink.api.kinds import SERVER
from starlink.api.server import Server, ServerStatus
from starlink.client.errors import AlreadyExists, ApiError, ClientError, NotFound
from starlink.client.kube import Client
from starlink_nodeagent.machine.machine import Machine
from starlink_nodeagent.machine.resources import quantities
from starlink_nodeagent.server.addresses import towards

log = logging.getLogger(__name__)

_UNDEFINED = (404, 405)
"""The answers to a create while its kind is not served, and while its CRD is being deleted."""


class NameTaken(Exception):
    """Another machine has registered under the name; the message says the ways out."""


async def join(client: Client, name: str, machine: Machine) -> tuple[str, str]:
    """Registers the machine, at the address from which the API is dialled unless it has one; gives the Server's UID and
    the address. Raises NameTaken, ClientError."""
    address = machine.address or await towards(*client.config.dialled)
    while True:
        uid = await register(client, name, replace(machine, address=address))
        found = machine.address or await towards(*client.config.dialled)
        if found == address:
            return uid, address
        address = found  # the network came up in between


async def register(client: Client, name: str, machine: Machine) -> str:
    """Creates the Server, or adopts it as people made it, and writes its status; gives its UID. Raises NameTaken,
    ClientError."""
    try:
        server = await client.get(SERVER, name)
    except NotFound:
        try:
            server = await client.create(SERVER, manifest(name, machine))
            log.info("registered", extra={"server": name})
        except AlreadyExists:
            server = await client.get(SERVER, name)
    known = _machine_of(server)
    if known not in ("", machine.machine_id):
        raise NameTaken(
            f"server {name!r} is another machine (its machineID is {known}, this one's is {machine.machine_id}); "
            "start this agent with another --name, or, if that machine is gone for good, "
            f"annotate and delete its Server: kubectl annotate server {name} {labels.GONE_ANNOTATION}=true && "
            f"kubectl delete server {name}"
        )
    uid = str(server["metadata"]["uid"])
    known_labels = server["metadata"].get("labels") or {}
    if missing := {key: value for key, value in facts(machine).items() if key not in known_labels}:
        server = await client.patch(SERVER, name, {"metadata": {"uid": uid, "labels": missing}})
    await client.patch_status(SERVER, server, status(machine, server.get("status") or {}))
    return uid


async def correct(client: Client, known: Server, machine: Machine) -> None:
    """Says again what the machine is, where the Server, as it was heard last, says something else: by that, instances
    would be placed on a machine that there is not. Raises ClientError."""
    wanted = msgspec.convert(status(machine, {}), ServerStatus)
    if all(getattr(known.status, field) == getattr(wanted, field) for field in _OWN):
        return
    server = await client.get(SERVER, known.name)
    if server["metadata"]["uid"] == known.uid and _machine_of(server) in ("", machine.machine_id):
        await client.patch_status(SERVER, server, status(machine, server.get("status") or {}))
        log.warning("somebody had written over what the status of the Server says of this machine; it says so again")


def _machine_of(server: Mapping[str, Any]) -> str:
    return str((server.get("status") or {}).get("machineID", ""))


async def is_defined(client: Client, name: str) -> bool:
    """Whether there may be Servers, of which the one with this name has gone: not while their CRD goes, or is away.
    Where nobody answers there may be."""
    server = {"apiVersion": SERVER.api_version, "kind": SERVER.kind, "metadata": {"name": name}, "spec": {}}
    try:
        await client.create_raw(SERVER, server, query={"dryRun": "All"})
    except ApiError as error:
        return error.code not in _UNDEFINED
    except ClientError:
        return True
    return True


def facts(machine: Machine) -> dict[str, str]:
    """The labels that the agent sets, where nobody has set them; all others are people's."""
    return {
        labels.ARCHITECTURE: machine.architecture,
        labels.OPERATING_SYSTEM: "linux",
        labels.HOSTNAME: machine.hostname,
    }


def manifest(name: str, machine: Machine) -> dict[str, Any]:
    """The Server as its agent creates it; its spec is people's."""
    return {
        "apiVersion": SERVER.api_version,
        "kind": SERVER.kind,
        "metadata": {"name": name, "finalizers": [labels.DRAINED_FINALIZER], "labels": facts(machine)},
        "spec": {},
    }


def status(machine: Machine, before: Mapping[str, Any]) -> dict[str, Any]:
    """The agent's own fields of the Server's status; a resource that was there before and is no more is null, which a
    merge patch takes away."""
    return {
        "machineID": machine.machine_id,
        "architecture": machine.architecture,
        "operatingSystem": machine.operating_system,
        "kernelVersion": machine.kernel,
        "agentVersion": __version__,
        "addresses": [
            {"type": "InternalIP", "address": machine.address},
            {"type": "Hostname", "address": machine.hostname},
        ],
        "capacity": {**dict.fromkeys(before.get("capacity") or ()), **quantities(machine.capacity)},
        "allocatable": {**dict.fromkeys(before.get("allocatable") or ()), **quantities(machine.allocatable)},
        "runtimes": list(machine.runtimes),
        "features": list(machine.features),
    }


_OWN = (
    "machine_id", "architecture", "operating_system", "kernel_version", "agent_version", "addresses", "capacity",
    "allocatable", "runtimes", "features",
)  # fmt: skip
"""The fields that `status` writes."""
