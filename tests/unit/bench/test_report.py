"""A goal is met or not; what falls short is told."""

from bench.kube.ledger import KUBERNETES, ON_KUBERNETES, STARLINK, Ledger, Measure
from bench.report import against


def test_a_ratio_has_bounds_on_both_sides() -> None:
    more = against("x", "/s", [30, 50, 40], "them", [10, 9, 11], at_least=4.0)
    assert (more.median, more.ratio, more.goal, more.met) == (40, 4.0, "≥ 4 × them", True)
    less = against("x", "MB", [30, 30, 30], "them", [100, 100, 100], at_most=0.25)
    assert (less.ratio, less.goal, less.met) == (0.3, "≤ 0.25 × them", False)


def test_nothing_is_no_worse_than_nothing() -> None:
    same = against("x", "", [0], "them", [0], at_most=1.0)
    assert (same.ratio, same.met) == (None, True)
    assert against("x", "", [1], "them", [0], at_most=1.0).met is False


def test_a_ledger_compares_each_racer_with_kubernetes() -> None:
    ledger, measure = Ledger(), Measure("rate", "/s", at_least=((STARLINK, 10.0), (ON_KUBERNETES, 1.5)))
    for racer, values in ((KUBERNETES, (10, 20, 10)), (ON_KUBERNETES, (16, 16, 16)), (STARLINK, (90, 90, 90))):
        for value in values:
            ledger.note(measure, racer, value)
    found = {one.measure: (one.rounds, one.ratio, one.met) for one in ledger.results()}
    assert found == {
        f"rate: {STARLINK}": (3, 9.0, False),
        f"rate: {ON_KUBERNETES}": (3, 1.6, True),
        f"rate: {KUBERNETES}": (3, None, None),
    }
