"""Whoever has $KUBECONFIG of one StarLink is told when a command is about another."""

from pathlib import Path

import click
import pytest

from starlink.cli.cluster import demand_which, say_which


@pytest.fixture
def rack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory whose own kubeconfig $KUBECONFIG names."""
    folder = tmp_path / "rack"
    folder.mkdir()
    (folder / "starlink.lock").touch()
    (folder / "admin.kubeconfig").touch()
    monkeypatch.setenv("KUBECONFIG", str(folder / "admin.kubeconfig"))
    monkeypatch.setattr("starlink.cli.datadir._usual", lambda: tmp_path / "usual")
    return folder


def told(capsys: pytest.CaptureFixture[str], data_dir: Path | None) -> str:
    context = click.Context(click.Command("down"), obj={"data_dir": data_dir, "kubeconfig": None})
    say_which(context, "down")
    return capsys.readouterr().err


def test_another_than_the_usual_one_is_told(rack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    usual = rack.parent / "usual"
    assert told(capsys, None) == (
        f"KUBECONFIG is of the StarLink on {rack}, and this is about {usual}; for the other: "
        f"starlink --data-dir {rack} down\n"
    )


def test_a_data_directory_that_is_named_is_meant(rack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, rack.parent / "usual") == "" == told(capsys, rack)


def test_a_restore_goes_nowhere_until_it_is_said_where(rack: Path) -> None:
    usual = rack.parent / "usual"
    with pytest.raises(click.ClickException) as refused:
        demand_which(click.Context(click.Command("restore"), obj={"data_dir": None, "kubeconfig": None}), "restore a")
    assert refused.value.message.endswith(f"--data-dir {rack} restore a, or starlink --data-dir {usual} restore a")
    for named in (rack, usual):
        demand_which(click.Context(click.Command("restore"), obj={"data_dir": named, "kubeconfig": None}), "restore a")


def test_a_kubeconfig_of_no_data_directory_says_nothing(
    rack: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(rack.parent / "config"))
    assert told(capsys, None) == ""
