"""Tasks, pools, servers and assignments in words. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from starlink.api import conditions as known
from starlink.api import labels
from starlink.api.assignment import Assignment
from starlink.api.meta import Object
from starlink.api.pool import Pool, resource_of
from starlink.api.quantity import Quantity
from starlink.api.server import Server
from starlink.api.task import Task, Toleration
from starlink.api.template import Probe, Template
from starlink.cli import next_steps, sections, tones
from starlink.cli.description import Description, Line, Section
from starlink.cli.hints import Command, LogsOf
from starlink.cli.screen import Tone
from starlink.cli.sections import Event, pairs
from starlink.cli.tables import Column, some

_OWN_LABELS = ("kubernetes.io/", "starlink.dev/")


def task(
    found: Task,
    its: Sequence[Assignment] | None,
    events: Sequence[Event] | None,
    now: float,
    command: Command,
    logs_of: LogsOf,
) -> Description:
    """A Task with its Assignments and Events; None for what may not be read."""
    every = command(f"get assignments -n {found.metadata.namespace} -l {labels.TASK}={found.name}")
    facts = {
        "Next step": _next_step(found, its or (), logs_of),
        **(_batch(found) if found.is_batch else _service(found)),
        **_template(found.spec.template),
        **_placement(found),
        "Revision": found.status.revision,
        **sections.about(found.metadata, now),
    }
    told = (
        sections.conditions(found.status.conditions, now),
        sections.instances(its, now, every),
        sections.events(events, now),
    )
    return Description(f"Task {found.key}", _tone(found), _summary(found, found.status.phase), facts, told)


def _next_step(found: Task, its: Sequence[Assignment], logs_of: LogsOf) -> str:
    ready = known.find(found.status.conditions, known.READY)
    if ready is None or ready.status == "True":
        return ""
    return next_steps.of_task(found.key, ready.reason, its, logs_of)


def _service(found: Task) -> dict[str, str]:
    status, update = found.status, found.spec.update
    fixed = ", ".join(f"{one.replicas} on {one.name}" for one in found.spec.servers)
    gentle = f"; each is available when it has been ready for {update.min_ready_time}" if update.min_ready_time else ""
    return {
        "Service": f"{found.replicas} wanted{f' ({fixed})' if fixed else ''}, {status.ready} ready, "
        f"{status.available} available, {status.updated} of the present revision",
        "Suspended": "yes" if found.spec.suspend else "",
        "Update": f"at most {update.max_unavailable} unavailable at once{gentle}",
    }


def _batch(found: Task) -> dict[str, str]:
    status = found.status
    return {
        "Batch": f"{found.completions} completions wanted, {status.succeeded} done, {status.failed} failed; "
        f"{found.parallelism} at a time, {found.retries} {'retry' if found.retries == 1 else 'retries'}",
        "Deadline": found.spec.deadline or "",
        "Suspended": "yes" if found.spec.suspend else "",
        "Started": status.started_at or "",
        "Finished": status.finished_at or "",
    }


def _template(found: Template) -> dict[str, str]:
    artifact = found.artifact
    variants = ", ".join(f"{one.architecture} {one.url}" for one in artifact.variants) if artifact else ""
    probes = (("startup", found.probes.startup), ("liveness", found.probes.liveness))
    told = [f"{name} {_probe(one)}" for name, one in (*probes, ("readiness", found.probes.readiness)) if one]
    return {
        "Command": " ".join((*found.command, *found.args)),
        "Artifact": variants or (artifact.url if artifact else ""),
        "Environment": ", ".join(one.name for one in found.env),
        "Requests": pairs(found.resources.requests),
        "Ports": ", ".join(f"{one.name} {one.port or '(any)'}" for one in found.ports),
        "Probes": "; ".join(told),
    }


def _probe(found: Probe) -> str:
    if found.http_get:
        return f"GET {found.http_get.path} every {found.period}"
    if found.tcp_socket:
        return f"a connection every {found.period}"
    return f"{' '.join(found.exec.command) if found.exec else ''} every {found.period}"


def _placement(found: Task) -> dict[str, str]:
    placement = found.spec.placement
    near = [one.task or pairs(one.task_selector) for one in placement.affinity]
    away = [one.task or pairs(one.task_selector) for one in placement.anti_affinity]
    return {
        "Pool": placement.pool,
        "Servers with": pairs(placement.server_selector),
        "Architectures": ", ".join(found.architectures),
        "Features": ", ".join(placement.features),
        "Tolerates": ", ".join(_toleration(one) for one in placement.tolerations),
        "Near to": ", ".join(near),
        "Away from": ", ".join(away),
        "Spread over": ", ".join(one.topology_key for one in placement.spread),
        "Gang": "all at once or none" if placement.gang else "",
        "Priority": str(placement.priority) if placement.priority else "",
        "Given up": f"when its server is not heard for {placement.lost_after}",
    }


def _toleration(found: Toleration) -> str:
    key = found.key or "every taint"
    return f"{key}{f'={found.value}' if found.value else ''}{f' ({found.effect})' if found.effect else ''}"


def pool(
    found: Pool, servers: Sequence[Server] | None, events: Sequence[Event] | None, now: float, command: Command
) -> Description:
    """A Pool with its Servers and Events; None for what may not be read."""
    spec, status = found.spec, found.status
    facts = {
        "Servers": f"{status.servers}, {status.ready_servers} of them ready",
        "Instances": str(status.assignments),
        "Takes servers": f"with {pairs(spec.selector)}" if spec.selector else "that name it in spec.pool",
        "Strategy": spec.strategy,
        "Architectures": ", ".join(spec.architectures),
        "Namespaces": ", ".join(spec.namespaces),
        "Quota": pairs(spec.quota.limits) or "no limit",
        "Cohort": spec.cohort,
        "Lends": pairs(spec.lend.limits),
        "Borrows": pairs(spec.borrow.limits) if spec.borrow else "",
        "Overcommit": f"cpu {spec.overcommit.cpu} %" if spec.overcommit.cpu != 100 else "",
        **sections.about(found.metadata, now),
    }
    told = (
        sections.conditions(status.conditions, now),
        sections.resources(_amounts(found)),
        _members(servers, command("server list")),
        sections.events(events, now),
    )
    ready = known.find(status.conditions, known.READY)
    return Description(f"Pool {found.name}", _tone(found), _summary(found, ready.reason if ready else ""), facts, told)


def _amounts(found: Pool) -> dict[str, Mapping[str, Quantity]]:
    """The columns of the resources of a pool; what its quota limits has a row each, also when nothing is used of it."""
    status, limits = found.status, {resource_of(name): limit for name, limit in found.spec.quota.limits.items()}
    used = {**dict.fromkeys(limits, 0), **status.allocated}
    if "assignments" in limits:
        used["assignments"] = status.assignments
    quota = {"QUOTA": limits} if limits else {}
    return {"CAPACITY": status.capacity, "ALLOCATED": used, **quota, "HEADROOM": status.headroom}


def _members(servers: Sequence[Server] | None, every: str) -> Section:
    columns = (Column("SERVER"), Column("ARCH", 1), Column("REASON", 1), Column("WHY"))
    if servers is None:
        return Section("Servers", columns, (), "you may not read them")
    lines = []
    for one in sorted(servers, key=lambda one: one.name)[: sections.MOST_INSTANCES]:
        ready = known.find(one.status.conditions, known.READY)
        told = (ready.reason, ready.message) if ready else ("", "")
        lines.append(Line((one.name, one.status.architecture, *told), _tone(one)))
    left = len(servers) - len(lines)
    more = f"and {left} more; `{every}` shows all" if left else ""
    return Section("Servers", columns, lines, "none", more, toned=("REASON",))


def server(
    found: Server, its: Sequence[Assignment] | None, events: Sequence[Event] | None, now: float, command: Command
) -> Description:
    """A Server with the Assignments on it and its Events; None for what may not be read."""
    spec, status = found.spec, found.status
    taints = (f"{one.key}{f'={one.value}' if one.value else ''}:{one.effect}" for one in spec.taints)
    facts = {
        "Pool": status.pool or spec.pool or "none",
        "New instances": f"kept away; `{command(f'uncordon {found.name}')}` lets them come"
        if spec.unschedulable
        else "",
        "Declared gone": "yes" if found.declared_gone else "",
        "Taints": ", ".join(taints),
        "Addresses": ", ".join(one.address for one in status.addresses),
        "Architecture": status.architecture,
        "System": ", ".join(filter(None, (status.operating_system, status.kernel_version))),
        "Agent": status.agent_version,
        "Features": ", ".join(status.features),
        "Not its own": f"{some(status.orphans)}: instances that its agent found and nobody declares"
        if status.orphans
        else "",
        **sections.about(found.metadata, now, hidden=lambda key: key.startswith(_OWN_LABELS)),
    }
    amounts = {"CAPACITY": status.capacity, "ALLOCATABLE": status.allocatable, "ALLOCATED": status.allocated}
    told = (
        sections.conditions(status.conditions, now),
        sections.resources(amounts),
        sections.instances(its, now, command("get assignments -A"), by_server=True),
        sections.events(events, now),
    )
    ready = known.find(status.conditions, known.READY)
    return Description(
        f"Server {found.name}", _tone(found), _summary(found, ready.reason if ready else ""), facts, told
    )


def assignment(found: Assignment, events: Sequence[Event] | None, now: float, logs_of: LogsOf) -> Description:
    """An Assignment with its Events; None for what may not be read."""
    spec, status = found.spec, found.status
    facts = {
        "Task": found.task,
        "Server": spec.server,
        "Slot": f"{spec.slot}, attempt {spec.attempt}",
        "Told to": f"stop ({spec.reason})" if spec.desired == "Stopped" else "",
        "Restarts": str(status.restarts),
        "Exit code": "" if status.exit_code is None else str(status.exit_code),
        "Signal": status.signal,
        "Started": status.started_at or "",
        "Finished": status.finished_at or "",
        "Reached at": ", ".join(f"{one.name} {one.address}:{one.port}" for one in status.endpoints),
        "Waits for": f"{len(spec.wait_for)} others to stop" if spec.wait_for and status.phase == "Pending" else "",
        **_template(spec.template),
        "Revision": found.revision,
        "Output": logs_of(found.key, [spec.server]),
        **sections.about(found.metadata, now, hidden=lambda key: key.startswith(_OWN_LABELS)),
    }
    told = (sections.conditions(status.conditions, now), sections.events(events, now))
    summary = ": ".join(filter(None, (sections.state(found), sections.why(found))))
    return Description(f"Assignment {found.key}", sections.tone_of(found), summary, facts, told)


def _tone(found: Object) -> Tone | None:
    return tones.of(msgspec.to_builtins(found))


def _summary(found: Task | Pool | Server, word: str) -> str:
    """How it is, as its Ready condition says."""
    ready = known.find(found.status.conditions, known.READY)
    return ": ".join(filter(None, (word, ready.message if ready else "nothing is known of it yet")))
