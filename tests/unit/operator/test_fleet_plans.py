"""Which plans of servers and pools are told at once, and which wait for others."""

from tests.world import Cluster

from starlink.api.kinds import POOL, SERVER
from starlink.engine.rounds.reservations import Reservations
from starlink.engine.rounds.round import plan_round
from starlink_operator.fleet_plans import ALLOCATED_SECONDS, POOLS_SECONDS, FleetPlans


def test_amounts_alone_wait_and_a_state_does_not() -> None:
    cluster = Cluster()
    cluster.pool("p")
    server = cluster.server("s1", pool="p")
    cluster.settle()
    plans = FleetPlans(Reservations(), lambda _: False)

    def due(now: float) -> set[object]:
        return {plan.kind for plan in plans.due(cluster.world(), now) if plan}

    assert due(0.0) == set(), "all is told"
    cluster.task("web", template={"command": ["run"], "resources": {"requests": {"cpu": "1"}}}, placement={"pool": "p"})
    for plan in plan_round(cluster.world()).plans:
        for action in plan.actions:
            cluster.apply(action)
    assert due(0.1) == set(), "amounts alone wait"
    assert due(POOLS_SECONDS) == {POOL}
    assert due(2 * ALLOCATED_SECONDS) == {POOL, SERVER}
    cluster.change(server, unschedulable=True)
    assert due(2 * ALLOCATED_SECONDS + 0.1) == {POOL, SERVER}, "who can be used is told at once"
