"""The end of a log that grows and is rotated by the agent: real files."""

from pathlib import Path

from starlink.cli.logs import Tail
from starlink_nodeagent import logs


def append(folder: Path, text: bytes) -> None:
    with (folder / logs.CURRENT).open("ab") as file:
        file.write(text)


def test_a_line_comes_once_and_when_it_is_whole(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    assert tail.lines() == []
    append(tmp_path, "one\nt\u00e9".encode()[:-1])  # in the middle of a character
    assert tail.lines() == ["one\n"]
    assert tail.lines() == []
    append(tmp_path, "\u00e9".encode()[1:] + b"a\nthree")
    assert tail.lines() == ["t\u00e9a\n"]
    assert tail.rest() == ["three"]


def test_what_is_cut_off_unread_still_comes(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    append(tmp_path, b"one\ntwo\n")
    assert tail.lines() == ["one\n", "two\n"]
    append(tmp_path, b"three\n")
    assert logs.rotate(tmp_path, 13, 2)
    append(tmp_path, b"four\n")
    assert tail.lines() == ["three\n", "four\n"]


def test_a_log_of_one_file_begins_anew_when_it_is_cut(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    append(tmp_path, b"one\ntwo\n")
    assert tail.lines() == ["one\n", "two\n"]
    assert logs.rotate(tmp_path, 1, 1)
    append(tmp_path, b"three\n")
    assert tail.lines() == ["three\n"]
