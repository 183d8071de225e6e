"""A fleet without some that it has, to see what would fit in their place."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from starlink.scheduling.fleet import Fleet


@contextmanager
def without(fleet: Fleet, uids: Iterable[str]) -> Iterator[None]:
    """Takes charges away and puts them back at the end; what is placed meanwhile must be taken back before."""
    gone = {uid: fleet.charges[uid] for uid in uids if uid in fleet.charges}
    for uid in gone:
        fleet.release(uid)
    try:
        yield
    finally:
        for uid, charge in gone.items():
            fleet.charge(uid, charge)
