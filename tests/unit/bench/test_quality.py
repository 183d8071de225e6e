"""How well instances lie: judged the same whoever placed them."""

from bench.kube.quality import Placed, Quality, judge
from bench.kube.workloads import Workload

ZONES = {"a": "east", "b": "east", "c": "west"}
WEB = Workload("web", sets=2, each=3)


def placed(*where: tuple[str, int], workload: str = "web", cpu: int = 100) -> list[Placed]:
    return [Placed(server, workload, set_, cpu) for server, set_ in where]


def test_servers_differ_by_what_the_emptiest_lacks() -> None:
    even = placed(("a", 0), ("b", 0), ("c", 0))
    assert judge(even, WEB, ZONES, 1000).unevenness == 0
    assert judge([*even, *placed(("a", 1), ("a", 1))], WEB, ZONES, 1000).unevenness == 2
    assert judge(placed(("a", 0), ("a", 0)), WEB, ZONES, 1000).unevenness == 2, "a server that has none counts"


def test_others_are_not_its_unevenness_but_use_the_servers_too() -> None:
    others = placed(("a", 0), ("a", 1), workload="other", cpu=300)
    found = judge([*placed(("a", 0), ("b", 0), ("c", 0)), *others], WEB, ZONES, 1000)
    assert found == Quality(unevenness=0, skew=1, together=0, use=0.3, overfull=0)


def test_skew_is_that_of_the_worst_set() -> None:
    found = placed(("a", 0), ("c", 0), ("a", 1), ("b", 1), ("b", 1), ("c", 1))
    assert judge(found, WEB, ZONES, 1000).skew == 2


def test_pairs_of_a_group_of_sets_on_one_server_are_counted() -> None:
    apart = Workload("web", sets=4, each=2, apart=2)
    assert judge(placed(("a", 0), ("b", 1), ("a", 2), ("b", 3)), apart, ZONES, 1000).together == 0
    assert judge(placed(("a", 0), ("a", 1), ("a", 0), ("b", 2)), apart, ZONES, 1000).together == 3


def test_only_servers_of_the_zone_that_was_asked_for_count() -> None:
    east = Workload("web", sets=2, each=1, zone="east")
    found = judge(placed(("a", 0), ("b", 1), cpu=800), east, ZONES, 1000)
    assert (found.unevenness, found.use) == (0, 0.8)


def test_a_server_that_was_given_more_than_it_has_is_told() -> None:
    assert judge(placed(("a", 0), ("a", 1), ("b", 0), cpu=600), WEB, ZONES, 1000).overfull == 1
