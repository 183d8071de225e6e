"""What the API refuses for good is tried ever more seldom."""

from starlink.api.kinds import POOL, TASK
from starlink.api.meta import ObjectKey
from starlink_operator.refusals import PAUSES, Refusals

KEY, OTHER = (TASK, ObjectKey("default", "web")), (POOL, ObjectKey("", "web"))


def test_pauses_double_up_to_five_minutes() -> None:
    assert [PAUSES.after(number) for number in (1, 2, 3, 8, 9, 10, 10_000)] == [1, 2, 4, 128, 256, 300, 300]


async def test_refusals_are_counted_by_object_until_it_is_another() -> None:
    refusals = Refusals(lambda _: None)
    assert [refusals.refused(KEY) for _ in range(3)] == [1, 2, 4]
    assert refusals.waits(KEY) and not refusals.waits(OTHER)
    assert refusals.refused(OTHER) == 1
    refusals.forget(KEY)
    assert refusals.waits(OTHER) and not refusals.waits(KEY)
    refusals.forget(KEY)
    assert (refusals.refused(KEY), refusals.refused(OTHER)) == (1, 2)
    refusals.forget(KEY)
    refusals.forget(OTHER)
