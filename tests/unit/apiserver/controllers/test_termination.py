"""What a namespace that goes says of what is left in it."""

from starlink.apiserver.controllers.termination import Remains, conditions

NOTHING = Remains({}, {}, [])
LEFT = Remains({"configmaps.": 2, "tasks.starlink.dev": 1}, {"a/b": 2}, ["tasks.starlink.dev: denied"])


def test_what_is_left() -> None:
    told = {one["type"]: one for one in conditions([], LEFT, "now")}
    assert {type_ for type_, one in told.items() if one["status"] == "True"} == {
        "NamespaceDeletionContentFailure",
        "NamespaceContentRemaining",
        "NamespaceFinalizersRemaining",
    }
    assert told["NamespaceContentRemaining"]["message"] == (
        "Some resources are remaining: configmaps. has 2 resource instances, tasks.starlink.dev has 1 resource instances"
    )
    assert (
        told["NamespaceFinalizersRemaining"]["message"]
        == "Some content in the namespace has finalizers remaining: a/b in 2 resource instances"
    )
    assert told["NamespaceDeletionContentFailure"]["message"] == (
        "Failed to delete all resource types, 1 remaining: tasks.starlink.dev: denied"
    )
    assert told["NamespaceDeletionDiscoveryFailure"]["reason"] == "ResourcesDiscovered"


def test_times_are_those_of_the_change() -> None:
    first = conditions([], LEFT, "1")
    assert conditions(first, LEFT, "2") == first
    later = {one["type"]: one["lastTransitionTime"] for one in conditions(first, NOTHING, "2")}
    assert (later["NamespaceContentRemaining"], later["NamespaceDeletionDiscoveryFailure"]) == ("2", "1")


def test_conditions_of_others_stay() -> None:
    other = {"type": "Mine", "status": "True"}
    assert conditions([other], NOTHING, "1")[0] == other
