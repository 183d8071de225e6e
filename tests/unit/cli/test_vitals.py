"""What follows from what was seen of the parts of a StarLink."""

import dataclasses
from pathlib import Path

import pytest

from starlink.cli import parts
from starlink.cli.parts import Part
from starlink.cli.standing import Beat
from starlink.cli.vitals import Sight, is_untold, troubled, verdict
from starlink.client.errors import Unreachable

UP, API = Part("up", 1, 40), Part("apiserver", 2, 70)
OPERATOR, AGENT = Part("operator", 3, 60), Part("agent", 4, 30, server="s1")
THEN, LATER = Beat("leader", "2026-01-02T03:04:05.000000Z"), Beat("leader", "2026-01-02T03:04:08.000000Z")
SLEPT, SET_BACK = 3600.0, -3600.0
LEADERS, SERVERS = "does not act: the Lease of the operators' leader", "does not act: the Lease of server s1"
NOT_RENEWED = f"was last renewed at {THEN.renewed}, and not while it was waited for"


@pytest.mark.parametrize(
    ("sight", "wrong"),
    [
        (Sight(UP), ""),
        (Sight(API), ""),
        (Sight(Part("agent", None, 0, server="s1")), "is not running"),
        (Sight(dataclasses.replace(UP, stopped=True)), "is stopped by a signal; `kill -CONT 1` lets it go on"),
        (Sight(API, "no answer within 5 s"), "gives no good answer: no answer within 5 s"),
        # renewed in these seconds, be it the only look
        (Sight(OPERATOR, "", THEN, THEN, 0.0), ""),
        (Sight(OPERATOR, "", THEN, THEN, 5.0), ""),
        (Sight(AGENT, "", THEN, THEN, 7.0), ""),
        # hangs: not renewed in the time, whatever the clock says
        (Sight(OPERATOR, "", THEN, THEN, 5.1), f"{LEADERS}, which leader holds, {NOT_RENEWED}"),
        (Sight(AGENT, "", THEN, THEN, 7.1), f"{SERVERS} {NOT_RENEWED}"),
        (Sight(AGENT, "", THEN, THEN, SLEPT), f"{SERVERS} {NOT_RENEWED}"),
        (Sight(AGENT, "", THEN, THEN, SET_BACK), f"{SERVERS} {NOT_RENEWED}"),
        (Sight(AGENT, "", THEN, THEN, None), f"{SERVERS} {NOT_RENEWED}"),
        # the machine slept, or its clock was set: renewed while it was looked at
        (Sight(OPERATOR, "", THEN, LATER, SLEPT), ""),
        (Sight(AGENT, "", THEN, LATER, SET_BACK), ""),
        # right after the first start
        (Sight(AGENT, "", Beat(), LATER, None), ""),
        (Sight(AGENT, "", Beat(), Beat(), None), f"{SERVERS} is not there"),
        (Sight(OPERATOR, "", Beat("", THEN.renewed), Beat("", THEN.renewed), SLEPT),
         "does not act: nobody holds the Lease of the operators' leader"),
        # nobody could ask
        (Sight(OPERATOR), ""),
    ],
)  # fmt: skip
def test_a_part_acts_or_it_is_said_what_is_wrong(sight: Sight, wrong: str) -> None:
    assert verdict(sight) == wrong


def test_of_what_the_api_server_can_not_be_asked_nothing_is_claimed() -> None:
    seen = [Sight(UP), Sight(API), Sight(OPERATOR, "", THEN, THEN, SLEPT), Sight(AGENT, "", THEN, LATER, 1.0)]
    assert [is_untold(sight) for sight in seen] == [False] * 4
    after = troubled(seen, Unreachable("it is away"))
    assert [verdict(sight) for sight in after] == ["", "gives no good answer: it is away", "", ""]
    assert [is_untold(sight) for sight in after] == [False, False, True, True]


def test_a_process_is_as_the_kernel_says(tmp_path: Path) -> None:
    told = {2: "State:\tS (sleeping)\nVmRSS:\t  2048 kB\n", 3: "State:\tT (stopped)\nVmRSS:\t 1024 kB\n",
            4: "State:\tt (tracing stop)\nVmRSS:\t 1024 kB\n", 5: "State:\tZ (zombie)\n"}  # fmt: skip
    for pid, status in told.items():
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "status").write_text(status)
    children = {"apiserver": 3, "operator": 4, "agent": 5, "agent-s2": 6, "agent-s3": None}
    found = parts.of_state({"pid": 2, "server": "s1", "children": children}, tmp_path)
    assert found == [
        Part("up", 2, 2), Part("apiserver", 3, 1, stopped=True), Part("operator", 4, 1),
        Part("agent", 5, 0, server="s1"), Part("agent-s2", 6, 0, server="s2"), Part("agent-s3", None, 0, server="s3"),
    ]  # fmt: skip
