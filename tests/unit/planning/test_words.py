"""Numbers in sentences."""

import pytest

from starlink.planning.words import counted, share, without_numbers


@pytest.mark.parametrize(
    ("number", "total", "told"),
    [
        (0, 1, "0 of 1 instance is"),
        (1, 1, "1 of 1 instance is"),
        (1, 3, "1 of 3 instances is"),
        (0, 3, "0 of 3 instances are"),
        (3, 3, "3 of 3 instances are"),
        (0, 0, "0 of 0 instances are"),
    ],
)
def test_a_share_is_told_as_a_person_would(number: int, total: int, told: str) -> None:
    assert share(number, total, "instance") == told


def test_one_is_no_plural() -> None:
    assert [counted(number, "time") for number in (0, 1, 2)] == ["0 times", "1 time", "2 times"]


def test_numbers_go_and_names_stay() -> None:
    told = "1 of 12 servers fit 0.5 more on s1, web-4-1: asks 500m, 2Gi"
    assert without_numbers(told) == " of  servers fit  more on s1, web-4-1: asks , "
