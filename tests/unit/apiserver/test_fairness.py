"""Whose turn it is, and what users hold."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from starlink.http.fairness import Account, FairQueue, Quota


def queue(handled: int = 2, handled_per_user: int = 2, queued: int = 100, queued_per_user: int = 50) -> FairQueue[str]:
    return FairQueue(handled=handled, handled_per_user=handled_per_user, queued=queued, queued_per_user=queued_per_user)


def test_users_take_turns_whoever_queued_how_many() -> None:
    made = queue(handled=10, handled_per_user=10)
    for user, item in (("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("c", "c1")):
        assert made.push(Account(user), item)
    assert [made.take() for _ in range(6)] == ["a1", "b1", "c1", "a2", "a3", None]


def test_a_user_holds_no_more_than_a_share() -> None:
    made = queue(handled=3, handled_per_user=1)
    for user, item in (("a", "a1"), ("a", "a2"), ("b", "b1")):
        made.push(Account(user), item)
    assert [made.take(), made.take(), made.take()] == ["a1", "b1", None]
    made.done(Account("a"))
    assert made.take() == "a2"


def test_no_more_than_so_many_are_handled() -> None:
    made = queue(handled=1)
    made.push(Account("a"), "a1")
    made.push(Account("b"), "b1")
    assert (made.take(), made.ready, made.take()) == ("a1", False, None)
    made.done(Account("a"))
    assert (made.ready, made.take()) == (True, "b1")


def test_queues_have_ends() -> None:
    made = queue(queued=3, queued_per_user=2)
    assert [made.push(Account("a"), "x"), made.push(Account("a"), "x"), made.push(Account("a"), "x")] == [
        True,
        True,
        False,
    ]
    assert [made.push(Account("b"), "x"), made.push(Account("b"), "x")] == [True, False]


def test_levels_have_turns_by_their_weights_and_idleness_saves_up_none() -> None:
    made = queue(handled=100, handled_per_user=100)
    heavy, light = Account("a", 3), Account("b")
    for number in range(40):
        made.push(light, f"b{number}")
    assert [made.take() for _ in range(20)] == [f"b{number}" for number in range(20)]
    for number in range(40):
        made.push(heavy, f"a{number}")
    taken = [str(made.take())[0] for _ in range(20)]
    assert [taken[:first].count("a") for first in (4, 8, 12, 16, 20)] == [4, 7, 10, 13, 16]  # the first one goes ahead


def test_many_accounts_of_one_level_do_not_hold_up_the_other() -> None:
    made = queue(handled=100, handled_per_user=100, queued=3_000)
    for number in range(1_000):
        made.push(Account(f"agent-{number}"), "report")
    for number in range(10):
        made.push(Account("operator", 2), f"decision-{number}")
    taken = [made.take() for _ in range(15)]
    assert taken.count("report") == 5


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_nothing_is_lost_or_given_twice(steps: list[tuple[str, bool]]) -> None:
    made = queue(handled=3, handled_per_user=2)
    pushed: list[str] = []
    out: list[str] = []
    taken: list[str] = []
    for number, (user, ends_one) in enumerate(steps):
        pushed.append(f"{user}{number}")
        assert made.push(Account(user), pushed[-1])
        while item := made.take():
            out.append(item)
            taken.append(item)
        if ends_one and out:
            made.done(Account(out.pop(0)[0]))
    while out:
        made.done(Account(out.pop(0)[0]))
        while item := made.take():
            out.append(item)
            taken.append(item)
    assert sorted(taken) == sorted(pushed)
    assert (made.queued, made.handled) == (0, 0)


def test_an_item_of_several_turns_waits_behind_the_accounts_others_after_each() -> None:
    made = queue(handled=10, handled_per_user=10)
    made.push(Account("a"), "bulk", 3)
    made.push(Account("a"), "single")
    made.push(Account("b"), "stranger")
    assert made.queued == 3
    assert [made.take() for _ in range(6)] == ["bulk", "stranger", "single", "bulk", "bulk", None]
    assert (made.queued, made.handled) == (0, 5)


def test_turns_of_one_item_count_as_those_of_many() -> None:
    made = queue(handled=5, handled_per_user=2)
    made.push(Account("a"), "bulk", 500)
    assert [made.take(), made.take(), made.take(), made.ready] == ["bulk", "bulk", None, False]
    made.push(Account("b"), "stranger")
    assert made.take() == "stranger"
    made.done(Account("a"))
    assert made.take() == "bulk"


PUSHES = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from((1, 4)), st.integers(1, 12)), max_size=12)


@given(st.lists(st.tuples(PUSHES, st.integers(0, 30)), max_size=6), st.integers(1, 8))
def test_who_sends_many_at_once_has_the_turns_of_who_sends_them_singly(
    rounds: list[tuple[list[tuple[str, int, int]], int]], held: int
) -> None:
    """Whatever else waits, and whenever what was taken is done."""
    limits = {"handled": 20, "handled_per_user": held, "queued": 10_000, "queued_per_user": 10_000}
    bulks: FairQueue[Account] = FairQueue(**limits)
    singles: FairQueue[Account] = FairQueue(**limits)
    out: deque[Account] = deque()
    for pushes, takes in [*rounds, ([], 1_000)]:
        for user, weight, turns in pushes:
            account = Account(user, weight)
            assert bulks.push(account, account, turns)
            for _ in range(turns):
                singles.push(account, account)
        for _ in range(takes):
            taken = bulks.take()
            assert taken == singles.take()
            if taken is not None:
                out.append(taken)
            elif out:
                done = out.popleft()
                bulks.done(done)
                singles.done(done)
    assert (bulks.queued, singles.queued) == (0, 0)


def test_quotas_are_for_users_and_for_all() -> None:
    quota = Quota(total=3, per_user=2)
    assert [quota.take("a"), quota.take("a"), quota.take("a"), quota.take("b"), quota.take("b")] == [
        True, True, False, True, False,
    ]  # fmt: skip
    quota.give_back("a")
    assert (quota.taken, quota.take("c")) == (2, True)


def test_an_amount_is_taken_whole_or_not() -> None:
    quota = Quota(total=10, per_user=8)
    assert (quota.take("a", 8), quota.take("a", 1), quota.take("b", 3), quota.taken) == (True, False, False, 8)
    quota.give_back("a", 8)
    assert quota.take("b", 8) and quota.take("a", 2) and quota.taken == 10
