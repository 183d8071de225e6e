"""`starlink status` says whether the parts act, and not only whether they run."""

import asyncio
import json
import os
import re
import signal
import time

import pytest
from tests.conftest import Starlink, eventually
from tests.hanging import hanging, stopped

from starlink.cli import parts, vitals
from starlink.client.config import load
from starlink.client.kube import Client


def pid_of(starlink: Starlink, part: str) -> int:
    state = starlink.state
    return int(state["pid"] if part == "up" else state["children"][part])


def status(starlink: Starlink) -> tuple[int, str, str]:
    done = starlink.cli("status", check=False)
    return done.returncode, done.stdout, done.stderr


def verdicts(starlink: Starlink, fast: float = 0.0) -> list[str]:
    """Of each part, by a clock that is fast by so many seconds."""

    async def looked() -> list[str]:
        async with Client(load(starlink.kubeconfig)) as client:
            found = await vitals.look(client, parts.of_state(starlink.state), lambda: time.time() + fast)
        return [vitals.verdict(sight) for sight in found]

    return asyncio.run(looked())


def test_right_after_the_start_all_is_well(starlink: Starlink) -> None:
    code, said, trouble = status(starlink)
    assert (code, trouble) == (0, "") and f"StarLink is up at {starlink.state['url']}" in said


@pytest.mark.parametrize("slept", [3600.0, -3600.0])
def test_after_a_sleep_or_a_set_clock_all_is_well(starlink: Starlink, slept: float) -> None:
    """What the clock says of the last renewal is of another time."""
    assert verdicts(starlink, slept) == [""] * 4


@pytest.mark.parametrize("part", ["operator", "agent", "apiserver", "up"])
def test_a_part_that_a_signal_has_stopped_is_told(starlink: Starlink, part: str) -> None:
    pid = pid_of(starlink, part)
    with stopped(pid):
        eventually(lambda: any(part.stopped for part in parts.of_state(starlink.state)), "the signal has come")
        code, said, trouble = status(starlink)
    assert code == 1 and "StarLink is not well" in said and "is up" not in said
    assert f"Error: {part} is stopped by a signal; `kill -CONT {pid}` lets it go on; see " in trouble


@pytest.mark.parametrize(
    ("part", "whose"), [("operator", "of the operators' leader, which standalone-"), ("agent", "of server s1 was")]
)
def test_a_part_that_hangs_is_told_by_its_lease(starlink: Starlink, part: str, whose: str) -> None:
    with hanging(pid_of(starlink, part)):
        _, said, trouble = eventually(lambda: (seen := status(starlink))[0] and seen, "it is noticed")
    assert "StarLink is not well" in said and trouble.count("does not act") == 1
    assert f"Error: {part} does not act: the Lease {whose}" in trouble
    eventually(lambda: status(starlink)[0] == 0, "it acts again")


def test_an_api_server_that_hangs_is_told(starlink: Starlink) -> None:
    with hanging(pid_of(starlink, "apiserver")):
        code, said, trouble = status(starlink)
    assert code == 1 and "StarLink is not well" in said and "is up" not in said
    assert "apiserver gives no good answer: " in trouble and "did not answer within 5 s" in trouble
    assert said.count("the API server can't say whether it acts") == 2
    eventually(lambda: status(starlink)[0] == 0, "it acts again")


def test_an_api_server_that_has_just_ended_is_not_up(starlink: Starlink) -> None:
    """Nobody starts it again meanwhile, and its process is written down as one that runs, as until `up` has noticed."""
    before, launcher = starlink.state, pid_of(starlink, "up")
    with hanging(launcher):
        os.kill(before["children"]["apiserver"], signal.SIGKILL)
        ended = status(starlink)
        unnoticed = {**before, "children": {**before["children"], "apiserver": launcher}}
        (starlink.data / "run.json").write_text(json.dumps(unnoticed))
        away = status(starlink)
    assert ended[0] == away[0] == 1 and "is up" not in ended[1] + away[1]
    assert re.search("Error: apiserver (is not running|gives no good answer: .*); see ", ended[2])
    assert re.search("apiserver gives no good answer: .*connection (refused|reset by peer)", away[2])
    eventually(lambda: status(starlink)[0] == 0, "it is started again")
