"""Gangs, whatever changes: one that was whole is whole or gone once all has come to rest, never in part."""

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.profiles import examples
from tests.world import Cluster, Obj

steps = st.lists(
    st.sampled_from([
        "template", "pool", "scale", "budget", "priority", "move", "cordon", "taint", "drain", "server", "task",
        "round", "agents", "agents", "settle",
    ]),
    min_size=1,
    max_size=14,
)  # fmt: skip


class Run:
    """A cluster with gangs and others, changed at random; its leader may end in the midst of a round."""

    def __init__(self, seed: int) -> None:
        self.dice, self.cluster, self.number = Random(seed), Cluster(), 0
        self.whole: dict[str, set[int]] = {}  # by task, the sizes that it may have at rest
        for name in ("p", "q"):
            quota = {"cpu": self.dice.randint(2, 9)} if self.dice.random() < 0.4 else {}
            self.cluster.pool(name, quota=quota)
        for _ in range(self.dice.randint(2, 4)):
            self.server()
        for _ in range(3):
            self.task()
        self.settle()

    def server(self) -> None:
        self.number += 1
        self.cluster.server(f"s{self.number}", cpu=str(self.dice.randint(1, 4)), pool=self.dice.choice("pq"))

    def task(self) -> None:
        self.number += 1
        name, gang = f"t{self.number}", self.dice.random() < 0.6
        placement: dict[str, Any] = {"priority": self.dice.randint(0, 3), "gang": gang}
        if self.dice.random() < 0.5:
            placement["pool"] = self.dice.choice("pq")
        self.cluster.task(
            name,
            template=self.template(),
            replicas=self.dice.randint(1, 5),
            placement=placement,
            update={"maxUnavailable": self.dice.choice((0, 1, 2, "100%"))},
        )

    def template(self) -> dict[str, Any]:
        return {"command": ["run"], "resources": {"requests": {"cpu": self.dice.choice(("500m", "1", "2"))}}}

    def some(self, kind: str) -> Obj:
        found = [obj for key, obj in sorted(self.cluster.objects.items()) if key[0] == kind]
        return self.dice.choice(found)

    def do(self, step: str) -> None:
        dice, cluster = self.dice, self.cluster
        match step:
            case "template":
                cluster.change(self.some("Task"), template=self.template())
            case "pool":
                cluster.change(self.some("Task"), placement={"pool": dice.choice(("", "p", "q"))})
            case "scale":
                cluster.change(self.some("Task"), replicas=dice.randint(1, 5))
            case "budget":
                cluster.change(self.some("Task"), update={"maxUnavailable": dice.choice((0, 1, 3, "100%"))})
            case "priority":
                cluster.change(self.some("Task"), placement={"priority": dice.randint(0, 5)})
            case "move":
                cluster.change(self.some("Server"), pool=dice.choice("pq"))
            case "cordon":
                cluster.change(self.some("Server"), unschedulable=dice.random() < 0.5)
            case "taint":
                taints = [{"key": "x", "effect": dice.choice(("NoExecute", "NoSchedule"))}]
                cluster.change(self.some("Server"), taints=taints if dice.random() < 0.5 else [])
            case "drain":
                self.server()
                cluster.delete(self.some("Server"))
            case "server":
                self.server()
            case "task":
                self.task()
            case "round":
                left = dice.randint(0, 12)

                def dies(_: object) -> bool:
                    nonlocal left
                    left -= 1
                    return left < 0

                cluster.round(fails=dies if dice.random() < 0.3 else lambda _: False)
            case "agents":
                cluster.agents([a.name for a in cluster.assignments() if dice.random() < 0.6])
            case _:
                self.settle()
        self.note()

    def note(self) -> None:
        """What has been declared since the last rest is as good as what is declared now."""
        for task in self.cluster.world().tasks.values():
            self.whole.setdefault(task.name, {0}).add(task.replicas)

    def settle(self) -> None:
        self.cluster.settle()
        self.note()
        for task in self.cluster.world().tasks.values():
            live = [a for a in self.cluster.assignments() if a.task == task.name and not (a.stopping or a.finished)]
            if task.spec.placement.gang:
                assert len(live) in self.whole[task.name], f"{task.name} has {len(live)} of {task.replicas}"
                assert len({a.revision for a in live}) <= 1, f"{task.name} is of two kinds"
            self.whole[task.name] = {0, len(live)}


@given(steps, st.integers(0, 2**31))
@examples(300, push=30)
def test_a_gang_that_was_whole_is_whole_or_gone(steps: list[str], seed: int) -> None:
    run = Run(seed)
    for step in steps:
        run.do(step)
    run.settle()
    assert run.cluster.round() == []
