"""What a refusal is told about where its demands come from."""

from typing import Any

import msgspec
import pytest
from tests.world import Cluster

from starlink.api.task import Task
from starlink.engine.rounds.loads import architectures_from

DIGEST = "a" * 64
FOUND = {"digest": DIGEST, "architectures": ["arm64"], "source": "ELF headers of 1 executable"}


def task(placement: dict[str, Any], artifact: dict[str, Any] | None, found: dict[str, Any] | None) -> Task:
    template = {"command": ["run"], **({"artifact": artifact} if artifact else {})}
    status = {"artifact": found} if found else {}
    spec = {"placement": placement, "template": template}
    return msgspec.convert({"metadata": {"name": "web"}, "spec": spec, "status": status}, Task)


@pytest.mark.parametrize(
    ("placement", "artifact", "found", "told"),
    [
        ({"architectures": ["arm64"]}, None, None, "placement.architectures"),
        ({"architectures": ["arm64"]}, {"url": "a", "sha256": DIGEST}, FOUND, "placement.architectures"),
        ({}, {"variants": [{"architecture": "arm64", "url": "a", "sha256": DIGEST}]}, None, "artifact.variants"),
        ({}, {"url": "a", "sha256": DIGEST}, FOUND, "the artifact's ELF headers of 1 executable"),
        ({}, {"url": "a", "sha256": "b" * 64}, FOUND, "the artifact's just found"),
    ],
)
def test_where_architectures_are_from(
    placement: dict[str, Any], artifact: dict[str, Any] | None, found: dict[str, Any] | None, told: str
) -> None:
    assert architectures_from(task(placement, artifact, found), "just found") == told


def test_a_condition_says_that_not_all_were_looked_at() -> None:
    cluster = Cluster()
    cluster.server("s1", cpu="4")
    requests = {"resources": {"requests": {"cpu": 1}}}
    spec = {"replicas": 10**9, "template": {"command": ["run"], **requests}}
    cluster.add({"kind": "Task", "metadata": {"name": "many", "namespace": "default"}, "spec": spec})
    cluster.settle()
    (seen,) = cluster.world().tasks.values()
    told = {one.type: one.message for one in seen.status.conditions}
    assert told["Scheduled"].startswith("of 1000000000 instances only the next 1000 are looked at: 0 of 1 servers fit ")
    assert "; 1000 of the next 1000 can't be placed: " in told["Ready"]
