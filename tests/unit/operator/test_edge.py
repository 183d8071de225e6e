"""The operator's pure parts: silence and leadership."""

from starlink.planning.health import SUSPECT_AFTER
from starlink_operator.heartbeats import Heartbeats
from starlink_operator.leadership import LEASE_SECONDS, Observation, may_take, may_write


def test_silence_counts_from_the_renewal_that_was_seen() -> None:
    beats = Heartbeats()
    beats.look(100.0, 100.0)
    beats.renewed("s1", "1", 100.0)
    beats.renewed("s1", "1", 103.0)  # the same renewal, heard again
    assert beats.silence({"s1": 0}, 104.0) == {"s1": 4.0}
    beats.renewed("s1", "2", 104.0)
    assert beats.silence({"s1": 0}, 104.5) == {"s1": 0.5}


def test_our_own_sleep_is_nobodys_silence() -> None:
    beats = Heartbeats()
    beats.renewed("s1", "1", 100.0)
    for second in range(100, 104):
        beats.look(float(second), 100.0)
    assert beats.silence({"s1": 0}, 104.0) == {"s1": 4.0}
    beats.look(200.0, 200.0)
    assert beats.silence({"s1": 0}, 200.0) == {"s1": 0.0}


def test_who_was_silent_before_is_suspect_until_a_renewal_is_seen() -> None:
    beats = Heartbeats(lambda server: server == "was silent")
    servers = {"s1": "was silent", "s2": "was heard"}
    beats.renewed("s1", "1", 100.0)  # the Lease that lies there
    beats.renewed("s2", "1", 100.0)
    assert beats.silence(servers, 101.0) == {"s1": SUSPECT_AFTER, "s2": 1.0}
    assert beats.silence(servers, 120.0) == {"s1": 20.0, "s2": 20.0}, "nobody is given up the sooner"
    assert beats.renewed("s1", "2", 121.0) == 21.0
    assert beats.silence(servers, 122.0) == {"s1": 1.0, "s2": 22.0}
    beats.start_again(130.0)
    assert beats.silence(servers, 130.0) == {"s1": SUSPECT_AFTER, "s2": 0.0}
    assert beats.renewed("s1", "3", 131.0) == SUSPECT_AFTER, "it was passed over, and may be used again"
    assert beats.silence(servers, 132.0)["s1"] == 1.0


def test_a_mute_watch_is_nobodys_silence() -> None:
    beats = Heartbeats()
    beats.renewed("s1", "1", 100.0)
    for second in range(100, 120):
        beats.look(float(second), 100.0)
    assert beats.silence({"s1": 0}, 119.0)["s1"] < 2.0


def test_a_lease_is_taken_when_it_is_free_ours_or_run_out() -> None:
    assert may_take(Observation("1", "", 0.0), "me", 0.0)
    assert may_take(Observation("1", "me", 0.0), "me", 0.0)
    assert not may_take(Observation("1", "other", 0.0), "me", LEASE_SECONDS)
    assert may_take(Observation("1", "other", 0.0), "me", LEASE_SECONDS + 0.1)


def test_a_leader_stops_writing_before_another_may_start() -> None:
    assert may_write(0.0, 9.9) and not may_write(0.0, 10.1)
