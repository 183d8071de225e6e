"""After any churn everything is back where it was: nothing grows with what has come and gone.

STARLINK_CHURN_MINUTES says how long it goes on; its bounds do not depend on it.
"""

import os
import time
from collections import deque
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import httpx
import pytest
from tests.conformance.server import session
from tests.conftest import Starlink, eventually
from tests.soak.churn import Churn
from tests.soak.used import Used, used

MINUTES = float(os.environ.get("STARLINK_CHURN_MINUTES", "5"))
WARM_LAPS = 4
"""After so many laps all code is loaded and what is bounded by a small number is full."""
AT_ONCE = 3
"""Namespaces that are on their way out while the next lap begins."""
GROWTH_MEGABYTES = 20.0
FILES_MEGABYTES = 64.0
LOGS_MEGABYTES = 450.0
"""Six files of the audit log of 64 MB each, and those of the parts."""
SPARE_CONNECTIONS = 8
"""A part has more connections open where more was to be done at once lately; a leak leaves some with every lap."""
SPARE_THREADS = 8
"""Of pools, which begin a thread when it is first needed."""
LEAVING_SECONDS = 120.0
REST_SECONDS = 5.0


@pytest.mark.timeout(60 * MINUTES + 900)
def test_nothing_grows_with_what_has_come_and_gone(starlink: Starlink, tmp_path: Path) -> None:
    with session(starlink.kubeconfig, tmp_path) as client:
        churn = Churn(client)
        churn.fill_history()
        leave(churn, [churn.lap() for _ in range(WARM_LAPS)])
        before = at_rest(starlink, client)
        laps = go_on(churn)
        after = at_rest(starlink, client)
    print(f"\n{laps} laps in {MINUTES:g} minutes\n{report(before, after)}")
    assert after.objects == before.objects
    assert after.files == before.files
    assert after.megabytes <= before.megabytes + FILES_MEGABYTES
    assert after.logs <= LOGS_MEGABYTES
    for name, part in after.parts.items():
        assert part.megabytes <= before.parts[name].megabytes + GROWTH_MEGABYTES, name
        assert part.descriptors <= before.parts[name].descriptors + SPARE_CONNECTIONS, name
        assert part.threads <= before.parts[name].threads + SPARE_THREADS, name


def go_on(churn: Churn) -> int:
    """Laps until the time is over. Returns their number."""
    going: deque[str] = deque()
    end, laps = time.monotonic() + 60 * MINUTES, 0
    while time.monotonic() < end:
        going.append(churn.lap())
        laps += 1
        if len(going) > AT_ONCE:
            leave(churn, [going.popleft()])
    leave(churn, going)
    return laps


def leave(churn: Churn, namespaces: Iterable[str]) -> None:
    for namespace in namespaces:
        eventually(partial(churn.is_gone, namespace), f"{namespace} gone", LEAVING_SECONDS)


def at_rest(starlink: Starlink, client: httpx.Client) -> Used:
    """What is used once two looks in a row agree on all but memory."""
    looks = [used(starlink, client)]

    def agree() -> bool:
        time.sleep(REST_SECONDS)
        looks.append(used(starlink, client))
        return countable(looks[-2]) == countable(looks[-1])

    eventually(agree, "StarLink at rest", LEAVING_SECONDS)
    return looks[-1]


def countable(found: Used) -> tuple[object, ...]:
    """All but memory."""
    parts = {name: (part.descriptors, part.threads) for name, part in found.parts.items()}
    return found.objects, found.files, parts


def report(before: Used, after: Used) -> str:
    """A line a part: what it used before, and after."""
    lines = [
        f"{name:10} {old.megabytes:6.1f} -> {new.megabytes:6.1f} MB, {old.descriptors} -> {new.descriptors} descriptors,"
        f" {old.threads} -> {new.threads} threads"
        for name, old in before.parts.items()
        for new in [after.parts[name]]
    ]
    files = (
        f"{'files':10} {before.megabytes:6.1f} -> {after.megabytes:6.1f} MB, {len(before.files)} -> {len(after.files)}"
    )
    logs = f"{'logs':10} {before.logs:6.1f} -> {after.logs:6.1f} MB"
    return "\n".join([*lines, files, logs, f"{'objects':10} {len(before.objects)} -> {len(after.objects)}"])
