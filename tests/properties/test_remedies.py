"""What a refusal proposes works: each way is applied, and as many as it promises are placed; of a gang, all."""

from hypothesis import assume, given
from hypothesis import strategies as st
from tests.profiles import examples
from tests.properties.situations import Situation, Vague, situations

from starlink.scheduling.explaining.explain import Refusal, explain
from starlink.scheduling.filters import feasible
from starlink.scheduling.place import place


def refused(situation: Situation) -> Refusal:
    fleet = situation.fleet()
    with fleet.trial():
        refusal = place(fleet, situation.ask, situation.count).refusal
    assume(refusal is not None)
    assert refusal is not None
    return refusal


@examples(1_000)
@given(situations())
def test_what_is_proposed_places_what_it_promises(situation: Situation) -> None:
    refusal = refused(situation)
    for way in refusal.remedy.rpartition("; ")[2].split(", or "):
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
    assert refusal.remedy
    assert refusal.message.endswith(refusal.remedy)
