"""Words of Kubernetes' own kinds, and StarLink's in their place: told where a field or a kind is not known. Pure.

docs/from-kubectl.md shows the same table. What StarLink has nothing near for is not in it.
"""

import re

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
    "minReadySeconds": "write it as spec.update.minReadyTime, with a unit, such as 5s",
    "selector": "a Task knows its instances by its own name: leave it away",
    "backoffLimit": "write it as spec.retries",
    "activeDeadlineSeconds": "write it as spec.deadline, with a unit, such as 10m",
    "spec.template.spec": "a Task's template has no spec: write what is in it right below spec.template",
}  # fmt: skip
"""By the name of a field that a Task has not, or by its whole path."""

KINDS: dict[str, str] = {
    "Deployment": "StarLink's is a Task: spec.replicas instances of spec.template",
    "ReplicaSet": "StarLink's is a Task: spec.replicas instances of spec.template",
    "StatefulSet": "StarLink's is a Task: its instances have slots, and with spec.servers each its server",
    "DaemonSet": "StarLink's is a Task with one entry a server in spec.servers",
    "Pod": "StarLink's is a Task; what runs of it are its Assignments",
    "Job": "StarLink's is a Task with spec.type: Batch",
    "Service": "StarLink has none: where a task's instances listen is in status.endpoints of its Assignments",
    "Node": "StarLink's is a Server: `starlink server add NAME` makes one",
    "ResourceQuota": "StarLink's is a Pool with spec.quota",
}
"""By the kind."""

TYPES: dict[str, str] = {
    "env": "env is a list, such as [{name: LEVEL, value: info}]",
    "command": 'command is a list of words, such as [python3, server.py]; for a shell line write [sh, -c, "…"]',
    "args": 'args is a list of words, such as [--port, "8080"]',
    "ports": "ports is a list, such as [{name: http, port: 8080}]",
}
"""By the name of a field of a Task that is given in another form."""

_INDEX = re.compile(r"\[[^\]]*\]")
_UNKNOWN = re.compile(r'unknown field "([^"]*)"')
_WRONG_TYPE = re.compile(r"(spec\.template\.[\w.\[\]]+) in body must be of type \w+(?:: \"\w*\")?")


def of_field(path: str) -> str:
    """What to write in place of a field that a Task has not; "" for nothing near."""
    plain = _INDEX.sub("", path)
    above = path.rpartition(".")[0]
    if above.startswith("spec.template.") and (form := _of_type(above)):
        return form
    return FIELDS.get(plain) or FIELDS.get(plain.rpartition(".")[2], "")


def of_kind(kind: str) -> str:
    """What StarLink has in place of a kind, or names alike; "" for nothing near."""
    return KINDS.get(kind, "")


def with_habits(message: str) -> str:
    """A refusal of a Task, with what to write behind each field that another system has, or has in another form."""
    told = _UNKNOWN.sub(lambda found: _behind(message, found[0], of_field(found[1])), message)
    return _WRONG_TYPE.sub(lambda found: _behind(message, found[0], _of_type(found[1])), told)


def _of_type(path: str) -> str:
    return TYPES.get(path.rpartition(".")[2], "")


def _behind(message: str, words: str, hint: str) -> str:
    """Said once, also where the server said it already."""
    return f"{words} ({hint})" if hint and hint not in message else words
