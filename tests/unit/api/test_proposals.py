"""What is proposed in place of a quantity or a duration that can't be read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlink.api import duration, quantity
from starlink.api.patterns import MEASURES, is_met
from starlink.api.proposals import DURATIONS, QUANTITIES, proposed, write_such

IN_T = next(pattern for pattern in MEASURES if "Ti" in pattern)
IN_TIME = next(pattern for pattern in MEASURES if "ms" in pattern)


def test_many_terms_cost_nothing() -> None:
    """Each may be read in two ways."""
    tried: list[str] = []
    assert proposed("1g" * 20, QUANTITIES, tried.append) == []
    assert len(tried) <= 2


@pytest.mark.parametrize("digits", [65, 1_000_000])
def test_a_text_of_any_length_is_no_quantity_and_not_shown(digits: int) -> None:
    with pytest.raises(ValueError, match=rf"^{digits} characters are no quantity; write at most 64") as refused:
        quantity.amount("memory", "9" * digits)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("12 GB", ["12Gi", "12G"]),
        ("12GB", ["12Gi", "12G"]),
        ("12 gigabytes", ["12Gi", "12G"]),
        ("12g", ["12Gi", "12G"]),
        ("10K", ["10Ki", "10k"]),
        ("12GiB", ["12Gi"]),
        ("12 mebibytes", ["12Mi"]),
        ("500 m", ["500m"]),
        (" 12 Gi ", ["12Gi"]),
        ("512 M", ["512M"]),
        ("500 millicores", ["500m"]),
        ("2 cores", ["2"]),
        ("2 vCPUs", ["2"]),
        ("1 core", ["1"]),
        ("100B", ["100"]),
        ("1,5", ['"1.5"']),
        (0.5, ['"0.5"']),
        (".5", ['"0.5"']),
        ("5.", ["5"]),
        ("+2", ["2"]),
        ("1,000", ["1000"]),
        ("1 000 Mi", ["1000Mi"]),
        ("1e3", ["1000"]),
        (1000.0, ["1000"]),
        ("1.23456Gi", ["1.235Gi"]),
        ("0.00001", ['"0.001"']),
    ],
)
def test_a_quantity_that_was_likely_meant(value: Any, meant: list[str]) -> None:
    assert proposed(value, QUANTITIES, lambda text: is_met(IN_T, text)) == meant


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("5 minutes", "5m"),
        ("5 min", "5m"),
        ("5 m", "5m"),
        ("5M", "5m"),
        ("1 hour", "1h"),
        ("1hr", "1h"),
        ("1h 30m", "1h30m"),
        ("1 hour, 30 minutes", "1h30m"),
        ("1h and 30 min", "1h30m"),
        ("90 sec", "90s"),
        ("500 milliseconds", "500ms"),
        ("500MS", "500ms"),
        ("1 day", "24h"),
        ("2 weeks", "336h"),
        ("1.5 hours", "1.5h"),
        ("1,5h", "1.5h"),
        (".5s", "0.5s"),
        (30, "30s"),
        ("30", "30s"),
    ],
)
def test_a_duration_that_was_likely_meant(value: Any, meant: str) -> None:
    assert proposed(value, DURATIONS, lambda text: is_met(IN_TIME, text)) == [meant]


@pytest.mark.parametrize(
    "value",
    ["", "lots", "-1Gi", "5 %", "2000Ti", "12 5Gi", "1Gi 5Mi", "12 GB of RAM", "1" * 70, 1e99, -1, True, None, [1], {}],
)
def test_of_other_quantities_nothing_is_proposed(value: Any) -> None:
    assert write_such(value, QUANTITIES, lambda text: is_met(IN_T, text)) == ""


@pytest.mark.parametrize("value", ["", "never", "-5s", "1:30", "1 h 30", "100us", "1 month", "5 minutes!", False, None])
def test_of_other_durations_nothing_is_proposed(value: Any) -> None:
    assert write_such(value, DURATIONS, lambda text: is_met(IN_TIME, text)) == ""


@given(st.text(st.sampled_from("0123456789.,+-_eE kKMGgibBmshdy"), max_size=12) | st.floats() | st.integers())
def test_what_is_proposed_is_taken(value: Any) -> None:
    for one in proposed(value, QUANTITIES, lambda text: is_met(IN_T, text)):
        assert quantity.count_bytes(one.strip('"')) >= 0
    for one in proposed(value, DURATIONS, lambda text: is_met(IN_TIME, text)):
        assert duration.seconds(one) >= 0


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("64 GB", "'64 GB' is not a quantity; write 64Gi or 64G"),
        ("many", "'many' is not a quantity; write a number with an optional unit, such as 500m or 256Mi"),
    ],
)
def test_a_quantity_is_refused_with_it(value: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        quantity.count_bytes(value)


def test_a_duration_is_refused_with_it() -> None:
    with pytest.raises(ValueError, match=r"^'10 min' is not a duration; write 10m$"):
        duration.seconds("10 min")
