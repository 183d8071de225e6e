"""Where `starlink kubeconfig` looks, and what `starlink up` says of a wrong name or directory."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from starlink.cli.main import cli

OTHER = "of another cluster"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data dir, while KUBECONFIG is another cluster's."""
    other, data = tmp_path / "other", tmp_path / "data"
    other.write_text(OTHER)
    data.mkdir()
    (data / "admin.kubeconfig").write_text("of this StarLink")
    monkeypatch.setenv("KUBECONFIG", str(other))
    return data


def run(*words: str | Path) -> Result:
    """The command's result; an error that is no click.ClickException is raised."""
    return CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)


def test_the_kubeconfig_is_the_data_dirs(data: Path) -> None:
    assert run("--data-dir", data, "kubeconfig", "--path").output == f"{data / 'admin.kubeconfig'}\n"
    assert run("--data-dir", data, "kubeconfig").output == "of this StarLink"


def test_without_a_data_dir_it_is_the_usual_one_and_never_the_environments(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("starlink.cli.datadir.os.geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", str(data.parent))
    missing = run("kubeconfig", "--path")
    assert missing.exit_code == 1 and "share/starlink does not exist" in missing.output
    usual = data.parent / ".local/share"
    usual.mkdir(parents=True)
    data.rename(usual / "starlink")
    assert run("kubeconfig", "--path").output == f"{usual / 'starlink/admin.kubeconfig'}\n"
    assert run("--kubeconfig", data.parent / "other", "kubeconfig").output == OTHER


def test_a_data_dir_that_is_not_there_is_said(data: Path) -> None:
    gone, empty = data.parent / "gone", data.parent / "empty"
    empty.mkdir()
    for path, word in ((gone, f"the data dir {gone} does not exist"), (empty, f"{empty}/admin.kubeconfig does not")):
        result = run("--data-dir", path, "kubeconfig", "--path")
        assert result.exit_code == 1 and word in result.output and f"starlink --data-dir {path} up" in result.output
    lost = run("--kubeconfig", gone, "kubeconfig")
    assert lost.exit_code == 1 and f"{gone} can't be read: No such file or directory" in lost.output


@pytest.mark.parametrize("name", ["Bad_Name", "a/b", "-a", "a" * 254])
def test_a_name_that_no_server_can_have_is_said(tmp_path: Path, name: str) -> None:
    result = run("--data-dir", tmp_path / "new", "up", "--name", name)
    assert result.exit_code == 2 and "Invalid value for '--name'" in result.output
    assert name[:50] in result.output and ("must consist of" in result.output or "253" in result.output)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("under", ["", "below"])
@pytest.mark.parametrize("words", [("up", "--data-dir"), ("--data-dir",)])
def test_a_data_dir_that_is_a_file_is_said(tmp_path: Path, under: str, words: tuple[str, ...]) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    result = run(*words, file / under if under else file, *(() if "up" in words else ("up",)))
    why = f"--data-dir {file / under}: it is, or lies below, a file; name a directory that you may write"
    assert result.exit_code == 1 and result.output == f"Error: {why}\n"
    assert file.read_text() == "mine"
