"""How often `up` looks at what it has started."""

from starlink.cli import standing


def looks(seconds: float) -> int:
    count, waited = 0, 0.0
    while waited < seconds:
        waited += standing.pause(waited)
        count += 1
    return count


def test_looks_are_twenty_a_second_at_first_and_ever_fewer() -> None:
    assert looks(1) == 20
    assert looks(50) < 110, "and not a thousand"


def test_a_look_is_late_by_no_more_than_a_twentieth_of_the_wait() -> None:
    assert all(standing.pause(waited) <= waited / 20 for waited in (1.0, 10.0, 50.0))
