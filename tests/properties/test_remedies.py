"""What a refusal proposes works: each way is applied, and as many as it promises are placed; of a gang, all."""

from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests.profiles import examples
from tests.properties.situations import Situation, Vague, situations

from starlink.api.refusal import Refusal
from starlink.scheduling.ask import Ask, Load
from starlink.scheduling.explaining.explain import explain
from starlink.scheduling.filters import feasible
from starlink.scheduling.fleet import Charge, Node
from starlink.scheduling.place import place
from starlink.scheduling.pool import FleetPool


def outside(ask: Ask, count: int, *, cpu: int, quota: int = 4000) -> Situation:
    """One server, in no pool, on which half a core is taken; the pool that is asked has no server."""
    taken = Load("db", 0, (("cpu", 500),), (("cpu", 500), ("assignments", 1)))
    pool = FleetPool("edge", quota={"cpu": quota}, high={"cpu": 25})
    return Situation({"s0": Node("s0", allocatable={"cpu": cpu})}, {"edge": pool}, [Charge("s0", taken)], ask, count)


def undeclared(ask: Ask, count: int) -> Situation:
    """The pool that is asked is no object: only its server, which has nothing, speaks of it."""
    nodes = {"s0": Node("s0", pool="edge"), "s1": Node("s1", pool="lab", allocatable={"cpu": 2000})}
    return Situation(nodes, {"lab": FleetPool("lab", closed=True)}, [], ask, count)


NOTHING, SOME = Load("web", 0), Load("web", 0, (("cpu", 500),), (("cpu", 500), ("assignments", 1)))


def refused(situation: Situation) -> Refusal:
    fleet = situation.fleet()
    with fleet.trial():
        refusal = place(fleet, situation.ask, situation.count).refusal
    assume(refusal is not None)
    assert refusal is not None
    return refusal


@examples(1_000)
@given(situations())
@example(outside(Ask(NOTHING, pool="edge"), 1, cpu=0))  # what runs there brings the pool above its watermark
@example(outside(Ask(NOTHING, pool="edge", server="s0"), 1, cpu=1000))
@example(outside(Ask(SOME, pool="edge", gang=True), 3, cpu=4000))  # as do the first of the gang, on top of that
@example(outside(Ask(SOME, pool="edge"), 1, cpu=4000, quota=500))  # it takes of the pool's quota, too
@example(undeclared(Ask(SOME, pool="edge", server="s1"), 1))
@example(undeclared(Ask(SOME, pool="edge", gang=True), 3))
def test_what_is_proposed_places_what_it_promises(situation: Situation) -> None:
    refusal = refused(situation)
    if refusal.remedy.is_a_start:
        return
    for way in refusal.remedy.ways:
        after = situation.with_placed()
        if situation.ask.gang:
            after.count = situation.count
        try:
            missing = situation.count - len(situation.placed())
            promised = after.apply(way)
        except Vague:
            continue
        assert len(after.placed()) >= (after.count if situation.ask.gang else promised), (way, missing, refusal.message)


@given(situations(), st.integers(1, 4))
def test_a_refusal_counts_as_the_filters_do(situation: Situation, missing: int) -> None:
    fleet = situation.fleet()
    refusal = explain(fleet, situation.ask, missing)
    assert refusal.removed == feasible(fleet, situation.ask).removed
    assert refusal.best in (*fleet.names, "")
    assert refusal.remedy.ways
    assert refusal.message.endswith(str(refusal.remedy))
