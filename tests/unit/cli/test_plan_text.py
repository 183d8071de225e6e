"""How plans look: short and aligned, however many slots there are."""

import msgspec
from tests.world import Cluster

from starlink.api.names import server_hash
from starlink.api.task import Task
from starlink.cli.plan import MOST_ROWS
from starlink.cli.preview_text import render
from starlink.cli.screen import Screen
from starlink.cli.tables import aligned, slot_ranges, some
from starlink.engine.foresight.preview import previews


def test_slots_are_ranges() -> None:
    assert slot_ranges(map(str, range(42))) == "0-41"
    assert slot_ranges(["7", "0", "1"]) == "0-1,7"
    assert slot_ranges([str(n) for n in range(0, 100, 10)]) == "0,10,20,... (10)"
    assert slot_ranges(["0a1b2c3d-0", "0a1b2c3d-1", "0a1b2c3d-3"]) == "0a1b2c3d-0-1,0a1b2c3d-3"
    assert slot_ranges([]) == ""


def test_slots_of_a_fixed_count_need_no_hash_beside_their_server() -> None:
    slots = [f"{server_hash(server)}-{number}" for server in ("s1", "s2") for number in range(2)]
    assert slot_ranges(slots[:2], "s1") == "0-1"
    assert slot_ranges(slots, "s1") == f"0-1,{server_hash('s2')}-0-1"


def test_names_are_few() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some("abcdefg") == "a, b, c, d, e and 2 more"


def test_columns_are_as_wide_as_needed() -> None:
    assert aligned(("A", "LONG"), [("abc", ""), ("", "x")]) == ["  A    LONG", "  abc", "       x"]


def test_a_plan_fits_a_terminal_and_marks_what_falls_short() -> None:
    cluster = Cluster()
    cluster.server("s1")
    body = {"metadata": {"name": "web", "namespace": "default"},
            "spec": {"template": {"resources": {"requests": {"cpu": "4000"}}}}}  # fmt: skip
    shown = previews(cluster.world(), [msgspec.convert(body, Task)])[0]
    wide, narrow = render(shown), render(shown, screen=Screen(60, colour=True))
    assert wide.startswith("task default/web: 1 without a place\n") and max(map(len, wide.splitlines())) > 60
    assert narrow.startswith("\x1b[31m✗\x1b[0m \x1b[1mtask default/web\x1b[0m: 1 without a place\n")
    assert max(map(len, narrow.splitlines()[1:])) <= 60


def test_a_thousand_slots_on_a_thousand_servers_are_few_lines() -> None:
    cluster = Cluster()
    for number in range(1_000):
        cluster.server(f"s{number:03}")
    body = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"replicas": 1_000, "template": {}}}
    shown = previews(cluster.world(), [msgspec.convert(body, Task)])[0]
    text = render(shown, MOST_ROWS)
    assert text.startswith("task default/web: 1000 to create\n") and "and 950 more rows; --all shows them" in text
    assert len(text.splitlines()) == MOST_ROWS + 4
    assert len(render(shown).splitlines()) == 1_003
