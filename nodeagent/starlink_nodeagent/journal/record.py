"""What the agent remembers of one instance, and which records can be trusted. Pure."""

import math
import re
import zlib
from dataclasses import replace
from typing import cast

import msgspec

from starlink.api.assignment import FINAL_PHASES, Assignment, Phase
from starlink.api.meta import ObjectKey
from starlink.api.template import Template
from starlink_nodeagent.users.user import TaskUser

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_SUM = re.compile(rb',"sum":"([0-9a-f]{8})"}$')
_LAST_PORT = 65_535


class Record(msgspec.Struct, kw_only=True):
    """What the agent must remember of one Assignment. Times are epoch seconds.

    `run` counts starts, from 1; 0 means never started. `parked` says that the last run was ended on purpose while the
    agent was away, that its end has been counted, or that it never came to be: the next start is no restart. `user` is
    the one it runs as, fixed before it is prepared, whatever options a later agent is started with; a prepared one
    without is of an agent that had one user for all. `server` is whose it is, and `task_uid` tells its Task from others
    that have had or will have the name; earlier agents wrote neither.
    """

    uid: str
    namespace: str
    name: str
    task: str
    task_uid: str = ""
    slot: str
    cluster: str
    resource_version: int
    generation: int
    template: Template
    server: str = ""
    ports: dict[str, int] = {}
    host_ports: tuple[int, ...] = ()
    user: TaskUser | None = None
    prepared: bool = False
    run: int = 0
    parked: bool = False
    restarts: int = 0
    crashes: int = 0
    phase: Phase = "Pending"
    ready: bool = False
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    signal: str = ""
    started_at: float | None = None
    finished_at: float | None = None
    stopping: bool = False

    @property
    def key(self) -> ObjectKey:
        return ObjectKey(self.namespace, self.name)

    @property
    def finished(self) -> bool:
        return self.phase in FINAL_PHASES


class _FormerUser(msgspec.Struct):
    spare: int | None = None


class _Former(msgspec.Struct):
    """What earlier agents wrote of a user that is one Task's alone: another number."""

    user: _FormerUser


def record_of(assignment: Assignment, cluster: str) -> Record:
    """The record of what a cluster declares and this agent has no record of.

    For a new Assignment that is a first record. For one whose record was lost, what its status says is kept: how it
    ended, the restarts, and the ports that others were told.
    """
    status = assignment.status
    record = Record(
        uid=assignment.uid,
        namespace=assignment.metadata.namespace,
        name=assignment.name,
        task=assignment.task,
        task_uid=assignment.metadata.controller_uid,
        slot=assignment.spec.slot,
        cluster=cluster,
        resource_version=int(assignment.metadata.resource_version),
        generation=assignment.metadata.generation,
        template=assignment.spec.template,
        server=assignment.spec.server,
        ports={endpoint.name: endpoint.port for endpoint in status.endpoints},
        host_ports=assignment.spec.host_ports,
        restarts=status.restarts,
    )
    if assignment.finished:
        record.phase, record.reason, record.message = cast(Phase, status.phase), status.reason, status.message
        record.exit_code, record.signal = status.exit_code, status.signal
    return record


def encode(record: Record) -> bytes:
    """The record as it lies on the disk: JSON, with a checksum of the rest as its last field."""
    content = msgspec.json.encode(record)
    return content.removesuffix(b"}") + b',"sum":"%08x"}' % zlib.crc32(content)


def decode(content: bytes, uid: str) -> Record:
    """The record that lies in the directory of `uid`. Raises ValueError when it can't be one that an agent wrote. One
    without a checksum, as earlier agents wrote it, is taken by what it says."""
    found = _SUM.search(content)
    if found is not None and zlib.crc32(content[: found.start()] + b"}") != int(found[1], 16):
        raise ValueError("its checksum is not that of its content")
    record = msgspec.json.decode(content, type=Record)
    if record.user is not None and msgspec.json.decode(content, type=_Former).user.spare is not None:
        record.user = replace(record.user, alone=True)
    for field, holds in _expected(record, uid).items():
        if not holds:
            raise ValueError(f"{field} is {str(getattr(record, field))[:100]!r}, which no agent wrote")
    return record


def _expected(record: Record, uid: str) -> dict[str, bool]:
    """Whether each field can be as it is. What a damaged file says is used for paths, signals and ports."""
    return {
        "uid": record.uid == uid,
        "namespace": _is_name(record.namespace),
        "name": _is_name(record.name),
        "task": not record.task or _is_name(record.task),
        "server": not record.server or _is_name(record.server),
        "slot": "/" not in record.slot and "\0" not in record.slot,
        "resource_version": record.resource_version >= 0,
        "generation": record.generation >= 0,
        "ports": all(0 < port <= _LAST_PORT for port in record.ports.values()),
        "host_ports": all(0 < port <= _LAST_PORT for port in record.host_ports),
        "run": record.run >= 0,
        "restarts": record.restarts >= 0,
        "crashes": record.crashes >= 0,
        "started_at": _is_time(record.started_at),
        "finished_at": _is_time(record.finished_at),
    }


def _is_name(value: str) -> bool:
    return _NAME.fullmatch(value) is not None


def _is_time(value: float | None) -> bool:
    return value is None or (math.isfinite(value) and value >= 0)
