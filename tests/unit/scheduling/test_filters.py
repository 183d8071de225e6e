"""Taints and tolerations, the names of filters, and which filter a server is counted under."""

from typing import NamedTuple

import pytest

from starlink.scheduling.ask import Ask, Load
from starlink.scheduling.filters import feasible, otherwise, resource_filter
from starlink.scheduling.fleet import Fleet, Node
from starlink.scheduling.taints import keeps_out


class Taint(NamedTuple):
    key: str
    value: str
    effect: str


class Toleration(NamedTuple):
    key: str | None = None
    operator: str = "Exists"
    value: str = ""
    effect: str | None = None


GPU = Taint("gpu", "a100", "NoSchedule")


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        (Toleration(), True),
        (Toleration("gpu"), True),
        (Toleration("gpu", effect="NoSchedule"), True),
        (Toleration("gpu", effect="NoExecute"), False),
        (Toleration("gpu", "Equal", "a100"), True),
        (Toleration("gpu", "Equal", "h100"), False),
        (Toleration("gpu", "Equal"), False),
        (Toleration("cpu"), False),
        (Toleration(effect="NoSchedule"), True),
        (Toleration(effect="PreferNoSchedule"), False),
    ],
)
def test_a_toleration_puts_up_with_a_taint(toleration: Toleration, tolerated: bool) -> None:
    assert keeps_out(GPU, (toleration,)) is not tolerated


def test_every_taint_must_be_tolerated_and_a_wish_keeps_nobody_out() -> None:
    tainted = (GPU, Taint("broken", "", "NoExecute"))
    fleet = Fleet([Node("both", taints=tainted), Node("wish", taints=(Taint("old", "", "PreferNoSchedule"),))])
    assert feasible(fleet, Ask(tolerations=(Toleration("gpu"),))).mask.tolist() == [False, True]
    assert feasible(fleet, Ask(tolerations=(Toleration("gpu"), Toleration("broken")))).mask.tolist() == [True, True]


@pytest.mark.parametrize(
    ("resource", "name"),
    [("cpu", "Cpu"), ("ephemeral-storage", "EphemeralStorage"), ("gpu", "Gpu"), ("acme.example/fpga", "acme.example/fpga")],
)  # fmt: skip
def test_names_of_resource_filters(resource: str, name: str) -> None:
    assert resource_filter(resource) == name


def test_a_server_is_counted_under_the_first_filter_that_removes_it() -> None:
    nodes = [Node("silent", architecture="arm64", ready=False), Node("arm", architecture="arm64"), Node("full")]
    fleet = Fleet(nodes)
    ask = Ask(Load(requests=(("cpu", 1),)), architectures=("amd64",))
    found = feasible(fleet, ask)
    assert {name: number for name, number in found.removed if number} == {"Ready": 1, "Architecture": 1, "Cpu": 1}
    assert otherwise(fleet, ask, "Cpu").tolist() == [False, True, False]
    assert not otherwise(fleet, ask, "Architecture").any()


def test_a_server_that_is_overcommitted_takes_who_asks_for_nothing_of_it() -> None:
    fleet = Fleet([Node("a", allocatable={"cpu": -5, "memory": 1})])
    assert feasible(fleet, Ask(Load(requests=(("cpu", 0), ("memory", 1))))).mask.all()
