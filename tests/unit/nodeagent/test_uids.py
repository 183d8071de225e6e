"""Which numbers tasks' users get: ranges as they are written, what a machine has of them, and each Task's choice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlink_nodeagent.processes.confinement import most_processes
from starlink_nodeagent.users.uids import (
    DEFAULTS,
    BadRange,
    Machine,
    Range,
    candidates,
    choose,
    mapped,
    parse,
    subordinate,
)

WHOLE = (Range(0, 2**32 - 2),)
NUMBERS = Range(1_000, 1_020)
TASKS = st.tuples(st.sampled_from("abc"), st.text("xyz", min_size=1, max_size=3))


@pytest.mark.parametrize("text", ["1000-1001", "50000-59999", str(DEFAULTS[0]), "1-2147483647"])
def test_a_range_is_first_and_last(text: str) -> None:
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "write FIRST-LAST"),
        ("1000", "write FIRST-LAST"),
        ("a-b", "write FIRST-LAST"),
        ("-5", "write FIRST-LAST"),
        ("1000-", "write FIRST-LAST"),
        ("+1-5", "write FIRST-LAST"),
        ("1-2-3", "write FIRST-LAST"),
        ("²-9", "write FIRST-LAST"),
        ("1 - 2", "write FIRST-LAST"),
        ("1-99999999999999999999", "write FIRST-LAST"),
        ("0-100", "0 is root's"),
        ("1-2147483648", "the largest is 2147483647"),
        ("1-4294967295", "the largest is 2147483647"),
        ("7-7", "at least 2"),
        ("9-5", "the smaller number first"),
    ],
)
def test_a_malformed_range_is_refused_with_what_is_right(text: str, said: str) -> None:
    with pytest.raises(BadRange, match=f"--task-uids {text.replace('+', '.')}: .*{said}"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("         0          0 4294967295\n", "0-4294967294"),
        ("0 1000 1\n", "0"),
        ("0 100000 65536\n", "0-65535"),
        ("0 1000 1\n1 100000 65536\n", "0-65536"),
        ("0 1000 1\n100 5 3\n", "0, 100-102"),
        ("", ""),
    ],
)
def test_a_user_namespace_has_the_numbers_of_its_map(text: str, has: str) -> None:
    assert ", ".join(map(str, mapped(text))) == has


def test_numbers_given_away_are_read_and_the_rest_passed_over() -> None:
    told = subordinate("alice:100000:65536\nbroken\n1000:x:1\nbob:5:0\n# words\n")
    assert told == [(Range(100_000, 165_535), "given to alice by /etc/subuid or subgid")]


def test_the_default_is_the_first_that_the_machine_has() -> None:
    assert list(candidates(None, None, Machine(WHOLE, WHOLE))) == list(DEFAULTS)
    small = mapped("0 100000 65536\n")
    assert candidates(None, None, Machine(small, small)) == [DEFAULTS[-1]]


def test_an_agent_gets_the_range_again_that_it_had() -> None:
    assert candidates(None, DEFAULTS[3], Machine(WHOLE, WHOLE))[0] == DEFAULTS[3]
    assert candidates(None, Range(7, 9), Machine(WHOLE, WHOLE))[0] == DEFAULTS[0]


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (
            Machine([Range(0, 65_535)], WHOLE),
            "not all of them are users in the agent's user namespace, which has 0-65535",
        ),
        (Machine(WHOLE, [Range(0, 0)]), "not all of them are groups in the agent's user namespace, which has 0"),
        (Machine(WHOLE, WHOLE, [(Range(70_005, 70_005), "the user alice")]), "70005 is the user alice; choose a range"),
        (Machine(WHOLE, WHOLE, [(Range(60_000, 70_000), "bob's")]), "60000-70000 is bob's"),
    ],
)
def test_a_range_that_the_machine_can_not_spare_is_refused(machine: Machine, said: str) -> None:
    with pytest.raises(BadRange, match=f"--task-uids 70000-70010: {said}"):
        candidates("70000-70010", None, machine)


def test_no_numbers_at_all_name_what_to_do() -> None:
    with pytest.raises(BadRange, match="give --task-uids FIRST-LAST, or --task-user NAME"):
        candidates(None, None, Machine([Range(0, 0)], [Range(0, 0)]))


@given(TASKS, st.dictionaries(st.integers(1_000, 1_020), TASKS))
def test_a_task_keeps_its_number_and_shares_it_with_no_other(
    task: tuple[str, str], taken: dict[int, tuple[str, str]]
) -> None:
    number = choose(task, NUMBERS, taken)
    if number is None:
        assert set(range(1_001, 1_021)) <= taken.keys() and task not in {taken[n] for n in range(1_001, 1_021)}
        return
    assert number in NUMBERS and number != NUMBERS.spare
    assert taken.get(number, task) == task
    if any(owner == task and at != NUMBERS.spare for at, owner in taken.items()):
        assert taken[number] == task
    assert choose(task, NUMBERS, {**taken, number: task}) is not None
    assert choose(task, NUMBERS, dict(reversed(taken.items()))) == number or task in taken.values()


@given(st.lists(TASKS, unique=True, max_size=25))
def test_tasks_that_come_one_by_one_have_numbers_of_their_own(tasks: list[tuple[str, str]]) -> None:
    taken: dict[int, tuple[str, str]] = {}
    for task in tasks:
        number = choose(task, NUMBERS, taken)
        assert (number is None) == (len(taken) == NUMBERS.size)
        if number is not None:
            assert number not in taken
            taken[number] = task


@given(TASKS)
def test_a_number_is_the_same_on_each_server(task: tuple[str, str]) -> None:
    assert choose(task, NUMBERS, {}) == choose(task, NUMBERS, {})


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        (("32768\n", "192729\n"), 4915),
        (("4194304", "127000", "max\n", "1000\n"), 150),
        (("4194304", "", "max"), 629_145),
        (("3",), 1),
        ((), -1),
        (("max", "lots"), -1),
    ],
)
def test_a_user_may_have_a_share_of_the_processes_of_the_machine(limits: tuple[str, ...], most: int) -> None:
    assert most_processes(limits) == most
