"""The options that stand before the verb or behind it, and what is read of KUBECONFIG."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from starlink.cli import main
from starlink.cli.cluster import command_of, config_of, has_config, way_to_status, with_client
from starlink.cli.datadir import DataDir
from starlink.cli.main import COMMANDS, cli
from starlink.client import reach
from starlink.client.config import BadConfig, Config, load, render
from starlink.client.errors import Unreachable
from starlink.client.kube import Client


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)


def leaves(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """The commands that do something, by the words that call them."""
    if not isinstance(command, click.Group):
        yield words, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield from leaves(below, (*words, name))


LEAVES = dict(leaves(cli))
OF_A_CLUSTER = {"apply", "get", "delete", "plan", "pool", "rebalance", "logs", "server", "kubeconfig"}


def test_each_command_takes_what_means_something_to_it() -> None:
    assert {words[0] for words in LEAVES} == set(COMMANDS)
    for words, command in LEAVES.items():
        taken = {parameter.name for parameter in command.params}
        assert ("data_dir" in taken) is (main._TAKES.get(words[0]) != ()), words
        assert not (words[0] in OF_A_CLUSTER and "kubeconfig" not in taken), words
        assert ("context" in taken) is ("kubeconfig" in taken and words != ("kubeconfig",)), words
    for verb in ("apply", "get", "delete", "plan", "logs"):
        assert "namespace" in {parameter.name for parameter in LEAVES[verb,].params}


@pytest.mark.parametrize(
    "words", [("get", "tasks"), ("pool", "move", "a", "b"), ("server", "add", "a"), ("rebalance",)]
)
def test_a_data_dir_is_the_same_before_and_behind_the_verb(tmp_path: Path, words: tuple[str, ...]) -> None:
    for before, behind in ((("--data-dir", tmp_path), ()), ((), ("--data-dir", tmp_path))):
        done = run(*before, *words, *behind)
        assert done.exit_code == 1 and f"({tmp_path}/admin.kubeconfig is not there)" in done.output
    between = run(words[0], "--data-dir", tmp_path, *words[1:])
    assert f"({tmp_path}/admin.kubeconfig is not there)" in between.output


def test_what_is_given_twice_must_agree(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    same = run("--data-dir", one, "get", "tasks", "--data-dir", f"{one}/", "--data-dir", one)
    assert same.exit_code == 1 and f"({one}/admin.kubeconfig is not there)" in same.output
    twice: tuple[tuple[str | Path, ...], ...] = (
        ("--data-dir", one, "get", "tasks", "--data-dir", other),
        ("get", "tasks", "--data-dir", one, "--data-dir", other),
        ("--data-dir", one, "--data-dir", other, "get", "tasks"),
        ("server", "--data-dir", one, "add", "s2", "--data-dir", other),
    )
    for words in twice:
        done = run(*words)
        assert done.exit_code == 2 and f"--data-dir is given twice, as {one} and as {other}" in done.output, words
    done = run("-n", "a", "get", "tasks", "-n", "b")
    assert done.exit_code == 2 and "--namespace is given twice, as a and as b" in done.output
    done = run("--kubeconfig", one, "agent", "--data-dir", tmp_path / "a", "--kubeconfig", other)
    assert done.exit_code == 2 and f"--kubeconfig is given twice, as {one} and as {other}" in done.output


def test_what_means_nothing_to_a_verb_is_refused_before_it_too(tmp_path: Path) -> None:
    for words in (("-n", "team", "up"), ("--kubeconfig", tmp_path, "down"), ("--data-dir", tmp_path, "demo")):
        done = run(*words)
        assert done.exit_code == 2 and f"{words[0]} means nothing to `{words[-1]}`; leave it out" in done.output
    done = run("--kubeconfig", "", "get", "tasks")
    assert done.exit_code == 2 and "'' names no file" in done.output


# KUBECONFIG


def kubeconfig(path: Path, server: str = "", context: str = "", namespace: str = "") -> Path:
    """One that names what is given alone: a cluster and user `main`, a current context."""
    document = json.loads(render(Config(server or "https://127.0.0.1:1"), "main"))
    document["clusters"][0]["name"] = "main"
    document["contexts"] = [{"name": context, "context": {"cluster": "main", "user": "main", "namespace": namespace}}]
    document["current-context"] = context if namespace else ""
    if not server:
        del document["clusters"], document["users"]
    path.write_text(json.dumps(document))
    return path


def test_several_kubeconfigs_are_one_and_the_first_to_name_something_decides_it(tmp_path: Path) -> None:
    first = kubeconfig(tmp_path / "first", server="https://10.0.0.1:1")
    second = kubeconfig(tmp_path / "second", server="https://10.0.0.2:2", context="two", namespace="team")
    third = kubeconfig(tmp_path / "third", context="two", namespace="other")
    found = load(first, second, third)
    assert (found.server, found.namespace) == ("https://10.0.0.1:1", "team")
    assert load(third, second).server == "https://10.0.0.2:2" and load(third, second).namespace == "other"
    with pytest.raises(BadConfig, match=f"{first}: current-context is not set"):
        load(first)
    with pytest.raises(BadConfig, match=f"{third}: clusters has no entry 'main'"):
        load(third)


def test_files_that_a_kubeconfig_names_are_beside_it(tmp_path: Path) -> None:
    for name, token in (("a", "token-of-a"), ("b", "token-of-b")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "token").write_text(token)
        document = json.loads(render(Config("https://127.0.0.1:1", token_file=Path("token")), f"user-{name}"))
        (folder / "config").write_text(json.dumps(document))
    assert load(tmp_path / "b/config", tmp_path / "a/config").bearer() == "token-of-b"


def context(data_dir: Path | None = None, kubeconfig: Path | None = None, named: str | None = None) -> click.Context:
    told = {"kubeconfig": kubeconfig, "data_dir": data_dir, "namespace": None, "context": named}
    return click.Context(cli, obj=told)


def test_the_environments_kubeconfigs_are_merged_and_missing_ones_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = kubeconfig(tmp_path / "first", server="https://10.0.0.1:1")
    second = kubeconfig(tmp_path / "second", context="two", namespace="team")
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(("", str(tmp_path / "gone"), str(first), str(second), str(first))))
    assert (config_of(context()).server, config_of(context()).namespace) == ("https://10.0.0.1:1", "team")
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join((str(tmp_path / "gone"), str(tmp_path / "away"))))
    with pytest.raises(click.ClickException, match=r"KUBECONFIG: .*gone, .*away is not there"):
        config_of(context())


def test_what_a_person_names_comes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = {
        name: kubeconfig(tmp_path / name, server=f"https://{name}:1", context="c", namespace="n")
        for name in ("of-environment", "of-option", "admin.kubeconfig")
    }
    monkeypatch.setenv("KUBECONFIG", str(named["of-environment"]))
    assert config_of(context()).host == "of-environment"
    assert config_of(context(data_dir=tmp_path)).host == "admin.kubeconfig"
    assert config_of(context(data_dir=tmp_path, kubeconfig=named["of-option"])).host == "of-option"


def test_the_words_of_a_command_quote_the_data_dir(tmp_path: Path) -> None:
    done = run("kubeconfig", "--data-dir", tmp_path / "a b")
    assert f"starlink --data-dir '{tmp_path}/a b' up" in done.output


def test_a_command_is_told_for_the_cluster_that_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert command_of(context(data_dir=tmp_path / "a b"), "up") == f"starlink --data-dir '{tmp_path}/a b' up"
    assert command_of(context(), "get tasks") == "starlink get tasks"
    of_file = context(kubeconfig=tmp_path / "a b")
    assert command_of(of_file, "get tasks") == f"starlink --kubeconfig '{tmp_path}/a b' get tasks"
    assert command_of(of_file, "up") == "starlink up"
    monkeypatch.setenv("KUBECONFIG", str(tmp_path))
    assert command_of(context(), "get tasks") == "starlink get tasks"


def test_a_context_is_chosen_and_told_in_the_words_of_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = kubeconfig(tmp_path / "one", server="https://one:1", context="c one", namespace="n")
    two = kubeconfig(tmp_path / "two", context="two", namespace="other")
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join((str(one), str(two))))
    assert config_of(context()).namespace == "n" and config_of(context(named="two")).namespace == "other"
    assert command_of(context(named="c one"), "get tasks") == "starlink --context 'c one' get tasks"
    assert command_of(context(kubeconfig=one, named="two"), "get tasks").endswith("/one --context two get tasks")
    assert command_of(context(kubeconfig=one, named="two"), "up") == "starlink up"
    done = run("--context", "gone", "get", "tasks")
    assert done.exit_code == 1 and "contexts has no entry 'gone'; there are c one, two" in done.output
    done = run("--context", "", "get", "tasks")
    assert done.exit_code == 2 and "'' names no context" in done.output
    done = run("--context", "two", "kubeconfig")
    assert done.exit_code == 2 and "--context means nothing to `kubeconfig`" in done.output


def test_a_pod_reaches_its_own_cluster_where_no_kubeconfig_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pod = tmp_path / "serviceaccount"
    pod.mkdir()
    for name in ("token", "ca.crt"):
        (pod / name).write_text(name)
    monkeypatch.setattr(reach.is_pod, "__defaults__", (pod,))
    monkeypatch.setattr(reach.of_pod, "__defaults__", (pod, ""))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert config_of(context()).server == "https://10.96.0.1:443" and has_config(context())
    with pytest.raises(click.ClickException, match="no cluster"):
        config_of(context(data_dir=tmp_path / "data"))
    monkeypatch.setenv(
        "KUBECONFIG", str(kubeconfig(tmp_path / "k", server="https://one:1", context="c", namespace="n"))
    )
    assert config_of(context()).server == "https://one:1"


def test_an_insecure_way_is_warned_of_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "k"
    file.write_text(render(Config("https://one:1", insecure=True), "main"))
    asked = context(kubeconfig=file)
    assert config_of(asked).insecure and config_of(asked).insecure
    assert capsys.readouterr().err.count("insecure-skip-tls-verify is set for https://one:1") == 1


@pytest.mark.parametrize("words", [("agent",), ("server", "add", "s1")])
def test_the_namespace_of_servers_is_checked_wherever_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    done = run(*words, "--server-namespace", "Bad_One")
    assert done.exit_code == 2 and "'Bad_One' can't be the name of a namespace" in done.output
    monkeypatch.setenv("STARLINK_SERVER_NAMESPACE", "also bad")
    done = run(*words)
    assert done.exit_code == 2 and "'also bad' can't be the name of a namespace" in done.output
    monkeypatch.setenv("STARLINK_SERVER_NAMESPACE", "edge")
    done = run("--data-dir", tmp_path / "data", *words)
    assert done.exit_code == 1 and "can't be the name" not in done.output, done.output


def test_what_does_not_answer_is_looked_at_where_a_data_dir_led_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    data, away = DataDir(tmp_path / "d"), tmp_path / "away"
    data.create()
    for path in (data.admin_kubeconfig, away):
        path.write_text(render(Config("http://127.0.0.1:1", token="t"), "me"))
    way = f"starlink --data-dir {data.root} status"
    assert way_to_status(context(data_dir=data.root)) == way
    assert way_to_status(context(kubeconfig=data.admin_kubeconfig)) == ""

    async def refused(_: Client) -> None:
        raise Unreachable("https://127.0.0.1:1 can't be reached: refused")

    held = data.take()
    try:
        with pytest.raises(click.ClickException, match=re.escape(f"refused; `{way}` says what runs")):
            with_client(context(data_dir=data.root), refused)
        with pytest.raises(click.ClickException, match=r"refused$"):
            with_client(context(kubeconfig=away), refused)
    finally:
        os.close(held)
    for named, told in ((data.admin_kubeconfig, way), (away, "")):
        monkeypatch.setenv("KUBECONFIG", str(named))
        assert way_to_status(context()) == told
