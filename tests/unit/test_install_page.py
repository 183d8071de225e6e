"""docs/install.md: its units are ones that systemd takes, and each `starlink` in it is a command that there is."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from tests.conftest import ROOT

from starlink.cli.main import cli

PAGE = (ROOT / "docs" / "install.md").read_text()
UNITS = dict(
    zip(("starlink.service", "starlink-agent.service"), re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL), strict=True)
)
_COMMAND = re.compile(r"^(?:    (?:sudo )?|ExecStart=)(?:/opt/starlink/bin/)?starlink (.*?)(?:  +#.*)?$", re.MULTILINE)


def commands() -> list[list[str]]:
    return [shlex.split(found) for found in _COMMAND.findall(PAGE)]


def leaf(command: click.Command, name: str, words: list[str]) -> Iterator[click.Context]:
    """Parses all of it, and calls nothing."""
    with command.make_context(name, words) as context:
        if isinstance(command, click.Group):
            rest = [*context._protected_args, *context.args]
            below, found, left = command.resolve_command(context, rest)
            assert found is not None and below is not None
            yield from leaf(found, below, left)
        else:
            yield context


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_each_command_of_the_page_is_one(words: list[str]) -> None:
    (context,) = leaf(cli, "starlink", words)
    assert context.command.callback is not None and not context.args


def test_the_page_has_the_commands_of_a_life() -> None:
    verbs = {words[0] for words in commands()}
    assert verbs == {"up", "agent", "status", "get", "server", "backup", "restore", "delete", "down"}


@pytest.mark.parametrize("name", UNITS)
def test_stopping_a_service_leaves_tasks_running(name: str) -> None:
    lines = UNITS[name].splitlines()
    assert "KillMode=process" in lines and "OOMPolicy=continue" in lines and "Restart=on-failure" in lines
    assert not [line for line in lines if line.startswith(("Protect", "Private", "NoNew", "Memory", "User="))]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not there")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_takes_the_unit(tmp_path: Path, name: str) -> None:
    unit = tmp_path / name
    unit.write_text(UNITS[name].replace("/opt/starlink/bin/starlink", sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    unit.write_text(UNITS[name].replace("KillMode=process", "KillMode=nothing"))
    wrong = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    assert "kill mode" in wrong.stderr.lower()
