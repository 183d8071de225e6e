"""What a task's status says of its artifact is what was found last, and it is written once."""

from dataclasses import replace
from typing import Any

from tests.world import Cluster

from starlink.api.meta import ObjectKey
from starlink.api.task import ArtifactFinding
from starlink.engine.rounds.round import plan_round
from starlink.planning.plan import UpdateStatus

KEY = ObjectKey("default", "web")
KNOWN = {"digest": "a" * 64, "architectures": ["amd64"], "source": "ELF headers of 1 executable"}
UNREAD = ArtifactFinding(source="could not be read: connection refused")


def test_an_artifact_that_can_be_read_no_more_leaves_nothing_of_the_earlier_one() -> None:
    cluster = Cluster()
    cluster.server("s1")
    task = cluster.task(
        "web", template={"command": ["run"], "artifact": {"url": "http://a/web.tar", "sha256": "0" * 64}}
    )
    cluster.settle()
    task["status"]["artifact"] = KNOWN

    def written() -> list[dict[str, Any]]:
        plans = plan_round(replace(cluster.world(), findings={KEY: UNREAD})).plans
        done = [a for plan in plans for a in plan.actions if isinstance(a, UpdateStatus) and a.key == KEY]
        for action in done:
            cluster.apply(action)
        return [action.status for action in done]

    assert [*map(set, written())] == [{"artifact"}]
    assert cluster.objects["Task", "default", "web"]["status"]["artifact"] == {"source": UNREAD.source}
    assert written() == [], "it is told once"
