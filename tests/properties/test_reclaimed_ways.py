"""Where quota is lent, the rise that a refusal proposes is enough with what others give back, and no less would be."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.profiles import examples
from tests.world import Cluster, Obj

from starlink.api.meta import ObjectKey
from starlink.api.remedy import Change
from starlink.engine.rounds.reservations import Reservations
from starlink.engine.rounds.round import plan_round

NEW = ObjectKey("default", "n")


def lent(pa: tuple[int, int], pb: tuple[int, int], borrowers: int, most: int) -> tuple[Cluster, Obj]:
    """Two pools of one cohort, given by quota and what is lent of it; instances of pa's have borrowed what they may."""
    cluster = Cluster()
    for number in range(2):
        cluster.server(f"a{number}", pool="pa")
        cluster.server(f"b{number}", pool="pb")
    cluster.pool("pa", quota={"cpu": pa[0]}, cohort="c", lend={"cpu": pa[1]})
    pool = cluster.pool("pb", quota={"cpu": pb[0]}, cohort="c", lend={"cpu": pb[1]})
    task(cluster, "bor", "pa", borrowers, update={"maxUnavailable": most})
    settle(cluster)
    return cluster, pool


def task(cluster: Cluster, name: str, pool: str, replicas: int, *, gang: bool = False, **spec: Any) -> Obj:
    template = {"command": ["run"], "resources": {"requests": {"cpu": "1"}}}
    return cluster.task(
        name, template=template, replicas=replicas, placement={"pool": pool, "gang": gang, "priority": 1}, **spec
    )


def settle(cluster: Cluster) -> None:
    """One that leads, and its agents, until nothing is left to do: what is freed is kept for who waits for it."""
    reservations = Reservations()
    for _ in range(40):
        actions = [action for plan in plan_round(cluster.world(), None, reservations).plans for action in plan.actions]
        for action in actions:
            cluster.apply(action)
        if not cluster.agents() and not actions:
            return
    raise AssertionError("not at rest")


def proposed(cluster: Cluster) -> Change | None:
    """The rise of pb's quota that the refusal of the new task proposes."""
    unplaced = plan_round(cluster.world()).found[NEW].placement.unplaced
    ways = (way for refusal in (unplaced.refusals if unplaced else ()) for way in refusal.remedy.ways)
    found = (change for way in ways for change in way.changes if isinstance(change, Change))
    return next((one for one in found if (one.code, one.subject, one.field) == ("RaiseBy", "pb", "quota.cpu")), None)


def running(cluster: Cluster) -> int:
    return sum(1 for a in cluster.assignments() if a.task == "n" and not a.finished and not a.stopping)


@pytest.mark.parametrize("gang", [True, False])
def test_what_others_give_back_counts(gang: bool) -> None:
    cluster, pool = lent((4, 4), (2, 2), 6, 6)
    task(cluster, "n", "pb", 3, gang=gang)
    change = proposed(cluster)
    assert change is not None and (change.value, change.helps) == ("1", None)
    cluster.round()
    cluster.change(pool, quota={"cpu": 3})
    settle(cluster)
    assert running(cluster) == 3


amounts = st.integers(0, 5)


@examples(100)
@given(st.data())
def test_the_rise_is_enough_and_no_less_would_be(data: st.DataObject) -> None:
    pa, pb = data.draw(amounts), data.draw(amounts)
    owner, taker = (pa, data.draw(st.integers(0, pa))), (pb, data.draw(st.integers(0, pb)))
    borrowers, most, wanted = data.draw(st.integers(1, 8)), data.draw(st.integers(0, 8)), data.draw(st.integers(1, 6))
    gang = data.draw(st.booleans())

    def come(rise: int) -> tuple[int, Change | None]:
        cluster, pool = lent(owner, taker, borrowers, most)
        cluster.change(pool, quota={"cpu": pb + rise})
        task(cluster, "n", "pb", wanted, gang=gang)
        change = proposed(cluster)
        cluster.round()
        settle(cluster)
        return running(cluster), change

    now, change = come(0)
    if change is None:
        return
    rise, promised = int(change.value), now + change.helps.instances if change.helps else wanted
    assert come(rise)[0] >= promised, change
    assert come(rise - 1)[0] < promised or rise == 1, change
