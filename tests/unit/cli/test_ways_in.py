"""Where `starlink kubeconfig` looks, and what `starlink up` says of a wrong name or directory."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from starlink.cli.main import cli
from starlink.client.config import Config, render
from starlink.files import lock

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


def test_no_data_dir_at_all_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Path("") is the working directory, which nobody meant."""
    monkeypatch.chdir(tmp_path)
    commands = (("--data-dir", "", "up"), *((verb, "--data-dir", "") for verb in ("up", "down", "status", "agent")))
    for words in commands:
        done = run(*words)
        assert done.exit_code == 2 and "'' names no directory" in done.output, words
    assert os.listdir(tmp_path) == []


def test_a_directory_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    tmp_path.chmod(0o755)
    for words in (("up",), ("agent", "--kubeconfig", str(kubeconfig(tmp_path.parent)))):
        done = run(*words, "--data-dir", tmp_path)
        assert done.exit_code == 1 and f"--data-dir {tmp_path}: it is not empty, and not StarLink's" in done.output
    assert os.listdir(tmp_path) == ["letter"] and tmp_path.stat().st_mode & 0o777 == 0o755


def kubeconfig(folder: Path) -> Path:
    """That of server s2's agent."""
    file = folder / "s2.kubeconfig"
    token = "e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6c3Rhcmxpbmstc2VydmVyczpzMiJ9.c2ln"
    file.write_text(render(Config("https://127.0.0.1:1", token=token), "s2"))
    return file


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives tasks users of their own")
def test_a_data_dir_that_tasks_cannot_reach_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for part in (tmp_path, tmp_path.parent):
        part.chmod(0o755)
    for words in (("up",), ("up", "--task-user", "nobody"), ("agent", "--kubeconfig", str(kubeconfig(tmp_path)))):
        for folder in (closed, closed / "data"):
            done = run(*words, "--data-dir", folder)
            assert done.exit_code == 1 and f"who can't pass {closed}; chmod o+x {closed}" in done.output, done.output
    assert os.listdir(closed) == [] and closed.stat().st_mode & 0o777 == 0o700


# How `agent` is told what it was told


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What `agent` becomes, in place of becoming it."""
    found: list[list[str]] = []
    monkeypatch.setattr("starlink.cli.agent.os.execv", lambda _, words: found.append(words[1:]))
    monkeypatch.setattr("starlink.cli.places.check", lambda *_: None)
    return found


def test_an_agent_is_told_what_it_was_told(tmp_path: Path, started: list[list[str]]) -> None:
    file, data = kubeconfig(tmp_path), tmp_path / "agent"
    first = run("agent", "--kubeconfig", file, "--data-dir", data, "--resource", "a.b/c=2", "--address", "10.0.0.7")
    again = run("agent", "--data-dir", data)
    assert (first.output, again.output) == ("", "")
    assert started[0] == started[1] == [
        "-m", "starlink_nodeagent", "--data-dir", str(data), "--kubeconfig", str(file), "--log-level", "info",
        "--name", "s2", "--address", "10.0.0.7", "--resource", "a.b/c=2",
    ]  # fmt: skip
    changed = run("agent", "--data-dir", data, "--address", "")
    assert changed.output == "address: 10.0.0.7 → the one from which the API is dialled\n"
    assert "--address" not in started[2] and "a.b/c=2" in started[2]


def test_an_agent_without_a_kubeconfig_or_a_name_says_so(tmp_path: Path, started: list[list[str]]) -> None:
    done = run("agent", "--data-dir", tmp_path / "agent")
    assert done.exit_code == 1 and "--kubeconfig is needed" in done.output
    nameless = tmp_path / "admin.kubeconfig"
    nameless.write_text(render(Config("https://127.0.0.1:1"), "admin"))
    done = run("agent", "--kubeconfig", nameless, "--data-dir", tmp_path / "agent")
    assert done.exit_code == 1 and "--name is needed" in done.output
    done = run("agent", "--kubeconfig", kubeconfig(tmp_path), "--name", "s3", "--data-dir", tmp_path / "agent")
    assert done.exit_code == 1 and "--name s3: this kubeconfig is of server s2" in done.output
    done = run("agent", "--data-dir", tmp_path / "agent", "--label", "pool=gold")
    assert done.exit_code == 2 and "starlink server add NAME --label KEY=VALUE" in done.output
    assert not (tmp_path / "agent").exists() and started == []


def test_two_agents_of_one_data_dir_are_refused(tmp_path: Path, started: list[list[str]]) -> None:
    file, data = kubeconfig(tmp_path), tmp_path / "agent"
    run("agent", "--kubeconfig", file, "--data-dir", data)
    before = (data / "agent-settings.json").read_bytes()
    held = lock.take(data / "agent.lock")
    done = run("agent", "--data-dir", data, "--address", "10.0.0.8")
    os.close(held)
    assert done.exit_code == 1 and f"another agent runs on {data}" in done.output
    assert (data / "agent-settings.json").read_bytes() == before and len(started) == 1


def test_the_token_of_another_server_is_not_kept(tmp_path: Path, started: list[list[str]]) -> None:
    """The later of two tokens is used, whichever server it is of."""
    data = tmp_path / "agent"
    data.mkdir()
    other = "e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6c3Rhcmxpbmstc2VydmVyczpzMSJ9.c2ln"
    for token, stays in ((kubeconfig(tmp_path).read_text().split('"token": "')[1].split('"')[0], True), (other, False)):
        (data / "agent.lock").touch()
        (data / "agent.token").write_text(token)
        done = run("agent", "--kubeconfig", kubeconfig(tmp_path), "--data-dir", data)
        assert done.exit_code == 0 and (data / "agent.token").exists() is stays, done.output


def test_an_agent_that_was_another_server_is_refused_while_instances_live(
    tmp_path: Path, started: list[list[str]]
) -> None:
    data = tmp_path / "agent"
    uid = "01234567-89ab-cdef-0123-456789abcdef"
    (data / "instances" / uid).mkdir(parents=True)
    (data / "agent.token").write_text("e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6c3Rhcmxpbmstc2VydmVyczpzMSJ9.c2ln")
    done = run("agent", "--kubeconfig", kubeconfig(tmp_path), "--data-dir", data)
    assert (
        done.exit_code == 1 and f"--name s2: this server is s1, and 1 of its instances is here ({uid})" in done.output
    )
    assert (data / "agent.token").exists() and started == []
