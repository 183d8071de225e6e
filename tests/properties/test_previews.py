"""What `starlink plan` says of a change is what comes of it when it is applied: each slot, from where to where, whom it
makes go, and how many find no place."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.profiles import examples
from tests.world import Cluster, Obj

from starlink.api.meta import ObjectKey
from starlink.api.task import Task
from starlink.engine.foresight.preview import Preview, previews
from starlink.engine.foresight.scenario import Scenario
from starlink.engine.rounds.fleet import plan_fleet
from starlink.engine.rounds.reservations import Reservations
from starlink.engine.rounds.round import plan_round
from starlink.planning.attempt import is_stop
from starlink.planning.observed import PREEMPTED
from starlink.planning.plan import Action, Plan

ROUNDS = 300
Fates = Mapping[str, tuple[str, str, str]]  # by slot: action, server, and where a replaced one goes


class Operated(Cluster):
    """With one operator, which goes on from what it knew."""

    def __init__(self) -> None:
        super().__init__()
        self._kept = Reservations()

    def round(self, fails: Callable[[Action], bool] = lambda _: False) -> list[Plan]:
        plans = [*plan_round(self.world(), None, self._kept).plans, *plan_fleet(self.world(), self._kept)]
        for action in (action for plan in plans for action in plan.actions):
            self.apply(action)
        return [plan for plan in plans if plan]


class Change:
    """A cluster at rest, and tasks as they would be applied to it: new ones and others than they were."""

    def __init__(self, seed: int) -> None:
        self.dice, self.cluster = Random(seed), Operated()
        dice = self.dice
        self.servers = [f"s{number}" for number in range(dice.randint(1, 5))]
        for name in self.servers:
            pool, labels = dice.choice(("pa", "pb", "")), {"zone": dice.choice("ab")}
            held = dice.random() < 0.1
            self.cluster.server(name, cpu=str(dice.randint(1, 5)), pool=pool, labels=labels, unschedulable=held)
        for name in ("pa", "pb"):
            self.cluster.pool(name, **self.pool())
        for number in range(dice.randint(1, 4)):
            self.cluster.task(f"t{number}", **self.spec())
            self.cluster.settle()
        for server in self.servers:
            if dice.random() < 0.15:
                self.cluster.change(self.cluster.objects["Server", "", server], unschedulable=dice.random() < 0.5)
        self.cluster.settle()
        self.applied = {name: self.changed(name) for name in dice.sample(("t0", "t1", "n0"), dice.choice((1, 1, 2)))}

    def pool(self) -> dict[str, Any]:
        dice = self.dice
        spec: dict[str, Any] = {"strategy": dice.choice(("Pack", "Spread"))}
        if dice.random() < 0.4:
            spec["quota"] = {"cpu": dice.randint(1, 6)}
            if dice.random() < 0.5:
                spec |= {"cohort": "c", "lend": {"cpu": dice.randint(0, spec["quota"]["cpu"])}}
        if dice.random() < 0.15:
            spec["watermarks"] = {"cpu": {"high": 70, "low": 50}}
        return spec

    def spec(self) -> dict[str, Any]:
        dice = self.dice
        placement: dict[str, Any] = {"priority": dice.choice((0, 0, 0, 5, 10))}
        if dice.random() < 0.5:
            placement["pool"] = dice.choice(("pa", "pb"))
        if dice.random() < 0.15:
            placement["serverSelector"] = {"zone": dice.choice("ab")}
        if dice.random() < 0.1:
            placement["gang"] = True
        if dice.random() < 0.15:
            placement["spread"] = [{"topologyKey": dice.choice(("zone", "kubernetes.io/hostname"))}]
        if dice.random() < 0.1:
            placement["antiAffinity"] = [{"task": dice.choice(("t0", "t1")), "topologyKey": "kubernetes.io/hostname"}]
        spec = {
            "template": self.template(),
            "replicas": dice.randint(0, 5),
            "placement": placement,
            "update": {"maxUnavailable": dice.choice((0, 1, 1, 2, "50%", "100%"))},
        }
        if dice.random() < 0.1:
            spec |= {"servers": [{"name": dice.choice(self.servers), "replicas": dice.randint(1, 2)}], "replicas": None}
        if dice.random() < 0.1:
            spec |= {"type": "Batch", "completions": 4, "parallelism": 2, "replicas": None}
        return {key: value for key, value in spec.items() if value is not None}

    def template(self) -> dict[str, Any]:
        requests = {"cpu": self.dice.choice(("500m", "1", "1", "2", "3"))}
        template: dict[str, Any] = {"command": [self.dice.choice(("run", "walk"))], "resources": {"requests": requests}}
        if self.dice.random() < 0.1:
            template["ports"] = [{"name": "web", "port": 80}]
        return template

    def changed(self, name: str) -> dict[str, Any]:
        """The spec that is applied: as it is, but for some of its fields."""
        there = self.cluster.objects.get(("Task", "default", name))
        new = self.spec()
        if there is None:
            return new
        kept = [key for key in there["spec"] if self.dice.random() < 0.5 or key in ("type", "servers")]
        mixed = {**new, **{key: there["spec"][key] for key in kept}}
        return {**mixed, "type": there["spec"].get("type", "Service")}

    def tasks(self) -> list[Task]:
        return [
            msgspec.convert({"metadata": {"name": name, "namespace": "default"}, "spec": spec}, Task)
            for name, spec in self.applied.items()
        ]

    def apply(self) -> "set[tuple[str, str]]":
        """Applies the tasks and settles; who was told to make room, and for which task."""
        for name, spec in self.applied.items():
            there = self.cluster.objects.get(("Task", "default", name))
            if there is None:
                self.cluster.task(name, **spec)
            else:
                there["spec"] = {}
                self.cluster.change(there, **spec)
        told: set[tuple[str, str]] = set()
        for _ in range(ROUNDS):
            plans = self.cluster.round()
            actions = [(plan.subject.name, action) for plan in plans for action in plan.actions]
            told |= {(name, a.key.name) for name, a in actions if is_stop(a) and a.patch["spec"]["reason"] == PREEMPTED}
            if not self.cluster.agents() and not plans:
                return told
        raise AssertionError(f"not at rest after {ROUNDS} rounds")

    def live(self, name: str) -> dict[str, Obj]:
        """What is there of a task and not on its way out, by slot."""
        found = [one for key, one in self.cluster.objects.items() if key[0] == "Assignment"]
        mine = [one for one in found if one["metadata"]["labels"]["starlink.dev/task"] == name]
        return {one["spec"]["slot"]: one for one in mine if one.get("status", {}).get("phase") == "Running"}

    def unplaced(self, name: str) -> int:
        trial = Scenario(self.cluster.world())
        return len(trial.examine(trial.world.tasks[ObjectKey("default", name)]).decision.wants)


def fates(before: Mapping[str, Obj], after: Mapping[str, Obj]) -> Fates:
    """What became of each slot."""
    found = {}
    for slot in {**before, **after}:
        was, now = before.get(slot), after.get(slot)
        from_, to = (one["spec"]["server"] if one else "" for one in (was, now))
        if was and now and was["metadata"]["uid"] != now["metadata"]["uid"]:
            found[slot] = ("replace", from_, to)
        else:
            found[slot] = ("keep" if was and now else "stop" if was else "create", from_ or to, "")
    return found


def told(preview: Preview) -> Fates:
    return {slot: (row.action, row.server, row.to) for row in preview.rows for slot in row.slots}


@given(st.integers(0, 2**31))
@examples(300, push=30)
def test_a_change_does_what_its_plan_says(seed: int) -> None:
    change = Change(seed)
    before = {name: change.live(name) for name in change.applied}
    there = {key[2] for key in change.cluster.objects if key[0] == "Assignment"}
    shown = previews(change.cluster.world(), change.tasks())
    made_room = change.apply()
    for preview in shown:
        name = preview.task.name
        assert told(preview) == fates(before[name], change.live(name)), name
        assert preview.unplaced + preview.waiting == change.unplaced(name), name
        victims = {victim.assignment.name for victim in preview.victims}
        assert victims == {victim for whom, victim in made_room if whom == name and victim in there}, name
