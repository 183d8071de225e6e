"""Quotas over many rounds: none is exceeded after any single action, whenever the leader ends, and all comes to rest."""

from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.profiles import examples
from tests.world import Cluster

from starlink.engine.rounds.neighbours import Neighbours
from starlink.engine.rounds.reservations import Reservations
from starlink.engine.rounds.round import plan_round
from starlink.planning.health import assess
from starlink.planning.plan import RecordEvent
from starlink.planning.pool import effective_pools
from starlink.scheduling.pool import room

steps = st.lists(st.sampled_from(["round", "round", "part", "dies", "agents", "agents", "task", "scale"]), max_size=24)
ROUNDS = 60


class Run:
    """A cluster whose leader may end after any action; the next one has followed nothing."""

    def __init__(self, seed: int) -> None:
        self.dice, self.cluster, self.reservations = Random(seed), Cluster(), Reservations()
        self.number = 0
        lends = self.dice.random() < 0.6
        for name in ("p", "q"):
            quota = {"assignments": self.dice.randint(1, 4), "cpu": self.dice.randint(1, 5)}
            cohort = {"cohort": "c", "lend": {key: self.dice.randint(0, most) for key, most in quota.items()}}
            self.cluster.pool(name, quota=quota, **(cohort if lends else {}))
        for number in range(self.dice.randint(2, 4)):
            self.cluster.server(f"s{number}", cpu=str(self.dice.randint(1, 4)), pool="pq"[number % 2])
        for _ in range(3):
            self.task()

    def task(self) -> None:
        self.number += 1
        dice = self.dice
        placement: dict[str, Any] = {"priority": dice.randint(0, 3), "gang": dice.random() < 0.2}
        if dice.random() < 0.8:
            placement["pool"] = dice.choice("pq")
        requests = {"cpu": dice.choice(("500m", "1", "2"))}
        self.cluster.task(
            f"t{self.number}",
            template={"command": ["run"], "resources": {"requests": requests}},
            replicas=dice.randint(1, 3),
            placement=placement,
            update={"maxUnavailable": dice.randint(0, 3)},
        )

    def do(self, step: str) -> None:
        tasks = [obj for key, obj in sorted(self.cluster.objects.items()) if key[0] == "Task"]
        match step:
            case "round":
                self.round()
            case "part":
                self.round(share=0.5)
            case "dies":
                self.round(most=self.dice.randint(0, 6))
                self.reservations = Reservations()
            case "agents":
                names = [a.name for a in self.cluster.assignments() if self.dice.random() < 0.6]
                self.cluster.agents(names)
                self.check("its agents")
            case "task":
                self.task()
            case _:
                self.cluster.change(self.dice.choice(tasks), replicas=self.dice.randint(0, 3))

    def round(self, share: float = 1.0, most: int | None = None) -> bool:
        """One round of a share of the tasks, ended after so many actions; whether there was something to do."""
        world = self.cluster.world()
        keys = sorted({*world.tasks, *world.assignments})
        dirty = {key for key in keys if self.dice.random() < share}
        plans = plan_round(world, dirty, self.reservations).plans
        actions = [action for plan in plans for action in plan.actions if not isinstance(action, RecordEvent)]
        for action in actions[:most]:
            self.cluster.apply(action)
            self.check(action)
        return bool(actions)

    def check(self, after: object) -> None:
        """With what is borrowed, and of what the cohort shares."""
        world, kept = self.cluster.world(), Reservations()
        pools = effective_pools(world)
        fleet = kept.follow(world, pools, assess(world, pools), Neighbours(world.tasks))
        for key in ("assignments", "cpu"):
            members = list(fleet.pools.values())
            assert all(room(fleet.pools, fleet.quota_used, pool.name, key) >= 0 for pool in members), after
            own = {pool.name: pool.quota[key] - pool.lend.get(key, 0) for pool in members}
            beyond = sum(max(0, fleet.quota_used[name].get(key, 0) - most) for name, most in own.items())
            assert beyond <= sum(pool.lend.get(key, 0) for pool in members), after

    def settle(self) -> None:
        for _ in range(ROUNDS):
            busy = self.round()
            if not self.cluster.agents() and not busy:
                return
        raise AssertionError(f"not at rest after {ROUNDS} rounds")


@given(steps, st.integers(0, 2**31))
@examples(250, push=25)
def test_no_quota_is_exceeded_at_any_step(steps: list[str], seed: int) -> None:
    run = Run(seed)
    for step in steps:
        run.do(step)
    run.settle()
    assert not run.reservations.waiting
