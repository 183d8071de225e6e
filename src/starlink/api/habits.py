"""Words of Kubernetes' own kinds, and StarLink's in their place: told where a field or a kind is not known. Pure.

docs/from-kubectl.md shows the same table. What StarLink has nothing near for is not in it.
"""

import re

from starlink.api.kinds import TASK

FIELDS: dict[str, str] = {
    "image": "a Task runs a program, not an image: name an archive in spec.template.artifact, or a program in command",
    "containers": "a Task runs one program: write command, env, ports and resources right below spec.template",
    "readinessProbe": "write it as spec.template.probes.readiness",
    "livenessProbe": "write it as spec.template.probes.liveness",
    "startupProbe": "write it as spec.template.probes.startup",
    "initialDelaySeconds": "write initialDelay, with a unit, such as 5s",
    "periodSeconds": "write period, with a unit, such as 10s",
    "timeoutSeconds": "write timeout, with a unit, such as 1s",
    "limits": "what is reserved for an instance stands in spec.template.resources.requests; there are no limits",
    "containerPort": "write port; 0, or none, has the agent pick one",
    "hostPort": "write port; each is a port of the server",
    "restartPolicy": "write it as spec.template.restart.policy",
    "terminationGracePeriodSeconds": "write it as spec.template.stop.gracePeriod, with a unit, such as 30s",
    "nodeSelector": "write it as spec.placement.serverSelector",
    "nodeName": "name servers in spec.servers, such as [{name: s1, replicas: 2}]",
    "tolerations": "write them as spec.placement.tolerations",
    "affinity": "write it as spec.placement.affinity or antiAffinity, a list of tasks to be near to or away from",
    "topologySpreadConstraints": "write them as spec.placement.spread",
    "priorityClassName": "write a number as spec.placement.priority",
    "strategy": "write spec.update.maxUnavailable, such as 1 or 25%",
    "maxSurge": "leave it away: an instance is stopped before the next is started",
    "minReadySeconds": "write it as spec.update.minReadyTime, with a unit, such as 5s",
    "selector": "a Task knows its instances by its own name: leave it away",
    "backoffLimit": "write it as spec.retries",
    "activeDeadlineSeconds": "write it as spec.deadline, with a unit, such as 10m",
    "schedule": "a Batch runs once: leave it away, and have cron delete it and apply it anew",
    "spec.template.spec": "a Task's template has no spec: write what is in it right below spec.template",
}  # fmt: skip
"""By the name of a field that a Task has not, or by its whole path."""

_TASK = f"a Task (apiVersion: {TASK.api_version}) with spec:"
_SERVING = f"{_TASK} {{replicas: 2, template: {{command: [./serve]}}}}"
_PER_SERVER = f"{_TASK} {{servers: [{{name: s1}}, {{name: s2}}], template: {{command: [./serve]}}}}"
_BATCH = f"{_TASK} {{type: Batch, template: {{command: [./work]}}}}"
_ENDPOINTS = "status.endpoints of a Task's Assignments, which say where its instances listen"

KINDS: dict[str, str] = {
    "Deployment": _SERVING,
    "ReplicaSet": _SERVING,
    "ReplicationController": _SERVING,
    "StatefulSet": f"{_SERVING}; its instances have slots, and with spec.servers each its server",
    "DaemonSet": f"{_PER_SERVER}, an entry a server",
    "Pod": f"{_TASK} {{template: {{command: [./serve]}}}}; what runs of it is an Assignment",
    "Job": _BATCH,
    "CronJob": f"{_BATCH}, which runs once: have cron delete it and apply it anew",
    "Service": _ENDPOINTS,
    "Endpoints": _ENDPOINTS,
    "EndpointSlice": _ENDPOINTS,
    "Node": "a Server: `starlink server add NAME` makes one",
    "ResourceQuota": "a Pool with spec.quota",
    "PriorityClass": "a number as spec.placement.priority of a Task",
    "PodDisruptionBudget": "spec.update.maxUnavailable of a Task",
    "HorizontalPodAutoscaler": "spec.replicas of a Task: `kubectl scale task/NAME --replicas=N` sets it",
}
"""What StarLink has in the place of a kind."""

TYPES: dict[str, str] = {
    "env": "must be a list, such as [{name: LEVEL, value: info}]",
    "command": 'must be a list of words, such as [python3, server.py]; for a shell line write [sh, -c, "…"]',
    "args": 'must be a list of words, such as [--port, "8080"]',
    "ports": "must be a list, such as [{name: http, port: 8080}]",
}
"""By the name of a field of a Task that is given in another form."""

_INDEX = re.compile(r"\[[^\]]*\]")
_TEMPLATE = "spec.template."
_KIND_NAMES = {kind.lower(): kind for kind in KINDS}


def of_field(path: str) -> str:
    """What to write in place of a field that a Task has not; "" for nothing near."""
    plain, above = _INDEX.sub("", path), path.rpartition(".")[0]
    if form := of_form(above):
        return f"{_last(above)} {form}"
    return FIELDS.get(plain) or FIELDS.get(_last(plain), "")


def of_form(path: str) -> str:
    """What a field of a Task must be that another system has in another form; "" for no such field."""
    return TYPES.get(_last(path), "") if path.startswith(_TEMPLATE) else ""


def of_kind(kind: str) -> str:
    """What StarLink has in the place of a kind, or of several; "" for nothing near, or a kind of StarLink's own."""
    name = _KIND_NAMES.get(kind.lower()) or _KIND_NAMES.get(kind.lower().removesuffix("s"), "")
    return f"in its place StarLink has {KINDS[name]}" if name else ""


def _last(path: str) -> str:
    return path.rpartition(".")[2]
