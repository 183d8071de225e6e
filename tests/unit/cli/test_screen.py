"""What a screen can show, and how columns fit it."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from starlink.cli.rows import Rows
from starlink.cli.screen import Screen, Tone, speaks_utf8
from starlink.cli.tables import GAP, Column, layout, one_line, shorten


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


UTF8 = {"LANG": "de_DE.UTF-8", "TERM": "xterm"}


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_no_colour_gets_none_but_marks(env: dict[str, str]) -> None:
    screen = Screen.of(Terminal(), {**UTF8, **env})
    assert screen.is_terminal and screen.mark(Tone.GOOD) == "✓" and screen.title("x") == "x"
    coloured = Screen.of(Terminal(), {**UTF8, "NO_COLOR": ""})
    assert coloured.colour and "\x1b[31m" in coloured.mark(Tone.BAD)


def test_a_pipe_gets_neither_colour_nor_width() -> None:
    assert Screen.of(io.StringIO(), UTF8) == Screen(width=None, colour=False)


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"LANG": "en_US.UTF-8"}, True),
        ({"LANG": "C.utf8"}, True),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, False),
        ({"LC_CTYPE": "POSIX", "LANG": "en_US.UTF-8"}, False),
        ({"LC_CTYPE": "C.UTF-8"}, False),  # Python sets it where there is none
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, False),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "en_US.UTF-8"}, True),
        ({}, False),
    ],
)
def test_marks_are_ascii_where_the_locale_has_no_utf8(env: dict[str, str], said: bool) -> None:
    assert speaks_utf8(env) is said
    marks = "".join(Screen.of(Terminal(), {"TERM": "dumb", **env}).mark(tone) for tone in Tone)
    assert marks == ("✓✗…-" if said else "+x~-")


texts = st.text(st.characters(min_codepoint=32, max_codepoint=0x9FFF, categories=("Lu", "Ll", "Lo", "Nd", "Zs")))


@given(texts, st.integers(1, 40), st.sampled_from(["…", "..."]))
def test_what_is_shortened_fits(text: str, width: int, ellipsis: str) -> None:
    short = shorten(one_line(text), width, ellipsis)
    assert cell_len(short) <= width
    assert short == one_line(text) or cell_len(one_line(text)) > width


def test_names_are_shortened_in_the_middle_and_words_at_the_end() -> None:
    assert shorten("hello-1327c245-0-1", 12) == "hello-…5-0-1"
    assert shorten("the process ended with exit code 3", 20) == "the process ended w…"
    assert shorten("the process ended", 10, "...") == "the pro..."


@given(st.lists(st.lists(texts.map(one_line), min_size=5, max_size=5), max_size=5), st.integers(8, 200))
def test_no_line_is_wider_than_it_may_be(rows: list[list[str]], width: int) -> None:
    columns = [Column("NAME", 0), Column("READY", 1), Column("AGE", 2), Column("MESSAGE", 0), Column("X", 3)]
    found = layout(columns, rows, width)
    for line in rows:
        assert cell_len(GAP.join(found.cells(line))) <= width
    assert "NAME" not in found.left_out and "MESSAGE" not in found.left_out


def test_what_writes_on_the_screen_is_not_written() -> None:
    columns = [{"name": "Name"}, {"name": "Message"}]
    rows = [{"cells": ["a", "x\x1b[31mred\nb \r\x07\u202e"], "object": {}}]
    for screen in (Screen(), Screen(80)):
        text = Rows(columns, screen).render(rows)
        assert text.count("\n") == 2 and not {*"\x1b\r\x07\u202e"} & {*text}


def test_a_row_that_takes_more_room_gets_a_new_header() -> None:
    rows = Rows([{"name": "Name"}, {"name": "Phase"}], Screen(80))
    made = [{"cells": ["a", "Running"], "object": {}}, {"cells": ["a", "Run"], "object": {}}]
    longer = [{"cells": ["a", "Terminating"], "object": {}}]
    assert rows.render(made) == "  NAME  PHASE\n  a     Running\n  a     Run\n"
    assert rows.render(made[:1]).count("\n") == 1
    assert rows.render(longer) == "  NAME  PHASE\n  a     Terminating\n"
    piped = Rows([{"name": "Name"}, {"name": "Phase"}], Screen())
    piped.render(made)
    assert piped.render(longer) == "a     Terminating\n"
