"""The end of a log that grows and is rotated by the agent, and whose log comes first: real files."""

import itertools
import os
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from starlink.api.assignment import Assignment
from starlink.cli import logs as command
from starlink.cli.main import cli
from starlink.cli.tail import PIECE, Tail, whole
from starlink_nodeagent.layout import CURRENT_LOG
from starlink_nodeagent.logs import files as logs


def append(folder: Path, text: bytes) -> None:
    with (folder / CURRENT_LOG).open("ab") as file:
        file.write(text)


def test_a_line_comes_once_and_when_it_is_whole(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    assert list(tail.lines()) == []
    append(tmp_path, "one\nt\u00e9".encode()[:-1])  # in the middle of a character
    assert list(tail.lines()) == ["one\n"]
    assert list(tail.lines()) == []
    append(tmp_path, "\u00e9".encode()[1:] + b"a\nthree")
    assert list(tail.lines()) == ["t\u00e9a\n"]
    assert list(tail.rest()) == ["three"]


def test_what_is_cut_off_unread_still_comes(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    append(tmp_path, b"one\ntwo\n")
    assert list(tail.lines()) == ["one\n", "two\n"]
    append(tmp_path, b"three\n")
    assert logs.rotate(tmp_path, 13, 2)
    append(tmp_path, b"four\n")
    assert list(tail.lines()) == ["three\n", "four\n"]


def test_a_log_of_one_file_begins_anew_when_it_is_cut(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    append(tmp_path, b"one\ntwo\n")
    assert list(tail.lines()) == ["one\n", "two\n"]
    assert logs.rotate(tmp_path, 1, 1)
    append(tmp_path, b"three\n")
    assert list(tail.lines()) == ["three\n"]


def test_the_rest_is_what_the_lines_have_left(tmp_path: Path) -> None:
    append(tmp_path, b"one\ntwo")
    tail = Tail(tmp_path)
    assert list(itertools.chain(tail.lines(), tail.rest())) == ["one\n", "two"]


def test_holes_are_passed_over(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    append(tmp_path, b"one\nha")
    assert list(tail.lines()) == ["one\n"]
    os.truncate(tmp_path / CURRENT_LOG, 1 << 43)
    assert list(tail.lines()) == []
    append(tmp_path, b"lf\ntwo\n")
    assert [line.replace("\0", "") for line in tail.lines()] == ["half\n", "two\n"]
    assert list(tail.rest()) == []


def test_a_log_without_a_line_is_cut_and_takes_little_memory(tmp_path: Path) -> None:
    size = 400 * PIECE + 17
    append(tmp_path, b"x" * size)
    tail, longest, total = Tail(tmp_path), 0, 0
    tracemalloc.start()
    for line in tail.lines():
        longest, total = max(longest, len(line)), total + len(line)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == size - 17 and longest <= 2 * PIECE and peak < 20 * PIECE
    assert list(tail.rest()) == ["x" * 17]
    append(tmp_path, b"y\n")
    assert list(tail.lines()) == ["x" * 17 + "y\n"]


def test_one_look_ends_though_the_log_goes_on_growing(tmp_path: Path) -> None:
    append(tmp_path, b"line\n" * 100)
    seen = []
    for line in Tail(tmp_path).lines():
        append(tmp_path, b"more\n")
        seen.append(line)
    assert seen == ["line\n"] * 100


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / CURRENT_LOG)
    (tmp_path / "1.log").write_bytes(b"old\nend")
    assert list(Tail(tmp_path).lines()) == [] and list(whole(tmp_path / "1.log")) == ["old\n", "end"]


def instance(data: Path, name: str, said: str | None = None, **state: Any) -> None:
    """An instance of the task web, as the agent's journal has it, whose output is its name unless another is given."""
    folder = data / "instances" / name
    (folder / "logs").mkdir(parents=True)
    record = {"namespace": "default", "name": name, "task": "web", "slot": "0", **state}
    (folder / "record.json").write_bytes(msgspec.json.encode(record))
    append(folder / "logs", (f"{name} speaks\n" if said is None else said).encode())


def shown(data: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--data-dir", str(data), "logs", "web", *words])


def test_what_crashed_last_comes_before_what_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    instance(tmp_path, "a-well", phase="Running", ready=True)
    instance(tmp_path, "b-mended", phase="Running", ready=True, restarts=1, finished_at=50.0)
    instance(tmp_path, "c-done", phase="Exited", finished_at=900.0)
    instance(tmp_path, "d-stopped", phase="Stopped", restarts=2, finished_at=990.0)
    instance(tmp_path, "e-unready", phase="Running")
    instance(tmp_path, "f-crashed", phase="Starting", restarts=3, finished_at=100.0)
    instance(tmp_path, "g-failed", phase="Failed", finished_at=200.0)
    instance(tmp_path, "h-older", restarts=1)
    done = shown(tmp_path)
    assert done.exit_code == 0 and done.stderr == "", done.output
    assert [line.split(":")[0] for line in done.output.splitlines()] == [
        "g-failed", "f-crashed", "e-unready", "h-older", "b-mended", "a-well", "c-done", "d-stopped",
    ]  # fmt: skip


def test_of_what_wrote_nothing_it_is_said(tmp_path: Path) -> None:
    instance(tmp_path, "web-a", "", phase="Failed", reason="ArtifactNotFound", finished_at=9.0)
    instance(tmp_path, "web-b", "", phase="Running", ready=True, started_at=8.0)
    instance(tmp_path, "web-c", "no end", phase="Running", ready=True)
    done = shown(tmp_path)
    assert (done.exit_code, done.stdout) == (0, f"web-c: no end{os.linesep}")
    assert done.stderr.splitlines() == [
        "web-a has not started (ArtifactNotFound), so it has written nothing",
        "web-b has written nothing",
    ]
    for number in range(3):
        instance(tmp_path, f"web-d{number}", "", started_at=1.0)
    assert shown(tmp_path).stderr.splitlines()[-1] == "and 2 more have written nothing"


def test_a_slot_of_another_server_is_told_with_its_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def there(_ctx: Any, _key: Any, slot: str | None) -> list[Assignment]:
        spec = {"server": "s2", "slot": "1", "attempt": 1, "template": {}}
        found = msgspec.convert({"metadata": {"name": "web-2", "namespace": "default"}, "spec": spec}, Assignment)
        return [found] if slot in (None, "1") else []

    monkeypatch.setattr(command, "whereabouts", there)
    instance(tmp_path, "web-a", phase="Running", ready=True)
    none = f"on this machine (looked in {tmp_path}); "
    done, other = shown(tmp_path, "--slot", "1"), shown(tmp_path, "--slot", "7")
    assert done.exit_code == 1 and done.stderr == (
        f"Error: no instance of slot 1 of default/web {none}slot 1 runs on s2: "
        "`starlink logs web -n default --data-dir DIR` on s2, with the data directory of its agent\n"
    )
    assert none in other.stderr and other.stderr.endswith("get assignments -n default` shows on which server it is\n")
