"""`get`, `describe`, `cordon`, `server list`, `status` and completion, as people and scripts use them."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.cells import cell_len
from tests import command
from tests.conftest import Starlink, eventually
from tests.terminal import shown

VERSION = "starlink.dev/v1alpha1"
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
TERMINAL = {"TERM": "xterm", "LANG": "en_US.UTF-8"}


def task(name: str, script: str, **spec: Any) -> dict[str, Any]:
    template = {"command": ["sh", "-c", script]}
    return {"apiVersion": VERSION, "kind": "Task", "metadata": {"name": name}, "spec": {"template": template, **spec}}


@pytest.fixture(scope="module")
def busy(starlink: Starlink) -> Starlink:
    """With a task that is well, one that crashes, one that fits nowhere, and a pool."""
    pool = {"apiVersion": VERSION, "kind": "Pool", "metadata": {"name": "edge"}, "spec": {"selector": {"a": "b"}}}
    huge = task("huge", "sleep 3600")
    huge["spec"]["template"]["resources"] = {"requests": {"cpu": "4000"}}
    starlink.apply(task("web", "exec sleep 3600", replicas=2), task("bad", "exit 3"), huge, pool)
    eventually(lambda: starlink.condition("task", "web", "Ready") == "True", "web is ready")
    eventually(lambda: starlink.condition("task", "bad", "Stalled") == "True", "bad crashes again and again")
    eventually(lambda: starlink.condition("task", "huge", "Stalled") == "True", "huge has no place")
    return starlink


def on_terminal(
    starlink: Starlink, *words: str, columns: int = 80, env: Mapping[str, str] | None = None
) -> tuple[str, int]:
    command = [sys.executable, "-m", "starlink.cli", "--data-dir", str(starlink.data), *words]
    given = {name: value for name, value in os.environ.items() if name not in ("KUBECONFIG", "COLUMNS", "LC_ALL")}
    return shown(command, columns=columns, env={**given, "LC_CTYPE": "", **TERMINAL, **(env or {})})


def output(starlink: Starlink, *words: str) -> str:
    return starlink.cli("get", *words).stdout


def refused(starlink: Starlink, *words: str, code: int = 1) -> str:
    done = starlink.cli(*words, check=False)
    assert done.returncode == code, done
    return done.stderr


# The forms of get


def test_get_prints_what_a_script_asks_for(busy: Starlink) -> None:
    assert output(busy, "tasks", "-o", "name").split() == [
        f"task.starlink.dev/{name}" for name in ("bad", "huge", "web")
    ]
    template = '{range .items[*]}{.metadata.name}={.status.desired}{"\\n"}{end}'
    assert output(busy, "tasks", "-o", f"jsonpath={template}") == "bad=1\nhuge=1\nweb=2\n"
    assert output(busy, "task", "web", "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].reason}") == "AllReady"
    both = json.loads(output(busy, "pools,tasks", "-o", "json"))
    assert [(one["kind"], one["metadata"]["name"]) for one in both["items"]] == [
        ("Pool", "edge"), ("Task", "bad"), ("Task", "huge"), ("Task", "web"),
    ]  # fmt: skip
    two = yaml.safe_load(output(busy, "task/web", "pool/edge", "-o", "yaml"))
    assert [one["metadata"]["name"] for one in two["items"]] == ["web", "edge"]


def test_what_crashes_sends_to_its_logs(busy: Starlink) -> None:
    logs = f"see what it printed: `starlink --data-dir {busy.data} logs bad -n default`"
    assert busy.cli("get", "tasks").stderr.splitlines() == [
        f"task default/bad: CrashLoop; {logs} on the server where it runs",
        f"task default/huge: Unplaceable; `starlink --data-dir {busy.data} describe task huge -n default` says why",
    ]
    name = busy.items("assignments", "-l", "starlink.dev/task=bad")[0]["metadata"]["name"]
    assert "" == busy.cli("get", "task", "web").stderr == busy.cli("get", "tasks", "-o", "json").stderr
    assert f"task default/bad: CrashLoop; {logs}" in busy.cli("status").stdout
    described = busy.cli("describe", "task", "bad", "web").stdout
    assert f"  Next step  {logs}\n" in described and described.count("Next step") == 1
    eventually(
        lambda: (
            f"see what it printed: `starlink --data-dir {busy.data} logs {name} -n default`\n"
            in busy.cli("get", "assignments").stderr
        ),
        "it waits to be started again, and sends to its logs",
    )


def test_who_wrote_which_field_is_shown_on_demand(busy: Starlink) -> None:
    assert "managedFields" not in output(busy, "task", "web", "-o", "yaml")
    assert json.loads(output(busy, "task", "web", "-o", "json", "--show-managed-fields")) == busy.get("task", "web")


def test_get_prints_a_table_a_kind(busy: Starlink) -> None:
    tasks, pools = output(busy, "tasks,pools").split("\n\n")
    assert [line.split()[0] for line in tasks.splitlines()] == ["NAME", "bad", "huge", "web"]
    assert [line.split()[0] for line in pools.splitlines()] == ["NAME", "edge"]
    assert output(busy, "task", "web", "bad").splitlines()[1].split()[:2] == ["web", "Service"]
    wide = output(busy, "tasks", "-o", "wide").splitlines()
    assert "MESSAGE" in wide[0] and max(map(len, wide)) <= 200
    assert "default" in output(busy, "tasks", "-A")


def test_what_is_not_there_is_said_with_what_is(busy: Starlink) -> None:
    done = busy.cli("get", "task", "web", "wbe", check=False)
    assert done.returncode == 1 and done.stdout.splitlines()[1].startswith("web ")
    assert done.stderr == "Error: there is no task wbe in namespace default; did you mean web?\n"
    assert refused(busy, "get", "pool", "x") == "Error: there is no pool x; there are: edge\n"
    assert refused(busy, "get", "task", "web", "-n", "team") == (
        "Error: there is no task web in namespace team; there is one in default: -n default\n"
    )
    assert refused(busy, "get", "tsaks") == "Error: there is no kind 'tsaks'; did you mean tasks?\n"
    assert refused(busy, "get", "pods") == "Error: there is no kind 'pods'; StarLink's word for it is assignments\n"
    assert "there are: assignments, pools, servers, tasks, " in refused(busy, "get", "zzz")
    empty = busy.cli("get", "tasks", "-n", "team")
    assert (empty.stdout, empty.stderr) == ("", "no tasks in namespace team; -A looks in all\n")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "give a KIND, such as tasks"),
        (("tasks,pools", "web"), "write KIND/NAME for each"),
        (("task/web", "pools"), "beside KIND/NAME"),
        (("task", "web", "-A"), "a name is of one namespace"),
        (("tasks,pools", "-w"), "-w follows one kind"),
        (("tasks", "-o", "xml"), "is none of table, wide, name, json, yaml and jsonpath="),
        (("tasks", "-o", "jsonpath={.a"), "a brace without its other"),
    ],
)
def test_words_that_get_does_not_take(busy: Starlink, words: tuple[str, ...], why: str) -> None:
    assert why in refused(busy, "get", *words, code=2)


# On a terminal


def test_a_terminal_gets_marks_and_colour_within_its_width(busy: Starlink) -> None:
    for columns in (40, 80):
        for words in (("get", "tasks,assignments"), ("get", "tasks", "-o", "wide"), ("get", "events", "-A"),
                      ("describe", "task", "bad"), ("describe", "server", "s1"), ("server", "list")):  # fmt: skip
            text, code = on_terminal(busy, *words, columns=columns)
            lines = [line for line in ESCAPE.sub("", text).splitlines() if not is_remark(line, busy)]
            assert code == 0 and text != ESCAPE.sub("", text)
            assert max(map(cell_len, lines)) <= columns, "\n".join(lines)
    text, _ = on_terminal(busy, "get", "tasks")
    rows = [line[:5] for line in ESCAPE.sub("", text).splitlines() if not is_remark(line, busy)]
    assert rows == ["  NAM", "✗ bad", "✗ hug", "✓ web"]


def is_remark(line: str, starlink: Starlink) -> bool:
    """What stands below a table on standard error, where a command is in one piece, to be copied; and in a column the
    path of a data directory or the feature of a driver, which are one word."""
    in_one_piece = ("`starlink", str(starlink.data), "driver.starlink.dev/")
    return line.startswith("columns that do not fit") or any(part in line for part in in_one_piece)


def test_who_wants_no_colour_and_has_no_unicode_gets_none(busy: Starlink) -> None:
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        text, _ = on_terminal(busy, "get", "tasks", env=env)
        assert "\x1b" not in text and "✓ web" in text
    text, _ = on_terminal(busy, "get", "tasks", env={"LANG": "C"})
    assert "+ \x1b" not in text and text.isascii() and "web" in text
    assert not {"\x1b", "✓"} & {*output(busy, "tasks")}


def test_status_is_marked_and_the_worst_comes_first(busy: Starlink) -> None:
    text, code = on_terminal(busy, "status")
    plain = ESCAPE.sub("", text)
    assert code == 0 and text != plain and "✓ operator" in plain and "✓ s1" in plain
    assert plain.index("✗ default    bad") < plain.index("✓ default    web")
    piped = busy.cli("status").stdout
    assert "\x1b" not in piped and re.search(r"\n  operator +pid \d+, \d+ MB\n", piped)


# Following


@contextlib.contextmanager
def following(starlink: Starlink, *words: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-u", "-m", "starlink.cli", "--data-dir", str(starlink.data), *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def until(process: "subprocess.Popen[str]", *words: str) -> list[str]:
    """The lines up to the first that has all the words."""
    assert process.stdout is not None
    seen: list[str] = []
    for line in process.stdout:
        seen.append(line)
        if {*words} <= {*line.split()}:
            return seen
    pytest.fail(f"it ended before {words}: {seen}")


def test_watch_follows_what_comes_changes_and_goes(busy: Starlink) -> None:
    with following(busy, "get", "tasks", "-w") as rows, following(busy, "get", "tasks", "-w", "-o", "name") as names:
        assert until(rows, "web")[0].split()[0] == "NAME"
        until(names, "task.starlink.dev/web")
        busy.apply(task("come", "exec sleep 3600"))
        until(rows, "come", "Running")
        busy.cli("delete", "task", "come")
        assert until(rows, "come", "deleted")[-1].split()[-1] == "deleted"
        until(names, "task.starlink.dev/come")
        rows.send_signal(signal.SIGINT)
        assert rows.wait(timeout=60) == 130 and rows.stderr is not None and rows.stderr.read() == ""


def test_watch_of_one_object_shows_no_other(busy: Starlink) -> None:
    with following(busy, "get", "task", "web", "-w", "-o", "jsonpath={.metadata.name}:{.spec.replicas} {'\\n'}") as one:
        until(one, "web:2")
        busy.cli("apply", "-f", "-", stdin=json.dumps(task("other", "exec sleep 3600")))
        busy.apply(task("web", "exec sleep 3600", replicas=1))
        assert not [line for line in until(one, "web:1") if not line.startswith("web:")]
    busy.apply(task("web", "exec sleep 3600", replicas=2))
    busy.cli("delete", "task", "other")
    assert "did you mean web?" in refused(busy, "get", "task", "wbe", "-w")


# Describing


def test_describe_says_what_a_person_needs(busy: Starlink) -> None:
    said = busy.cli("describe", "task", "bad", "web").stdout
    bad, web = said.split("\nTask default/web")
    for words in ("Task default/bad", "1 wanted", "sh -c exit 3", "CrashLoop", "exit code 3", "Instances", "Placed"):
        assert words in bad
    (instance,) = re.findall(r"^  bad-\S+ .*$", bad, re.MULTILINE)
    assert instance.split()[1] == "s1" and instance.split()[5] == "3" and "BackOff" in instance
    assert "2 of 2 instances are ready" in web and len(re.findall(r"^  web-\S+ +s1 +Running", web, re.MULTILINE)) == 2
    assert "ask 2 cpu" in busy.cli("describe", "task", "huge").stdout or os.cpu_count() != 2
    server = busy.cli("describe", "server/s1").stdout
    assert "its agent is heard" in server and "default/web" in server and "AgentHeard" in server
    pool = busy.cli("describe", "pool", "edge").stdout
    assert "no server belongs to the pool" in pool and "Takes servers" in pool
    name = busy.items("assignments", "-l", "starlink.dev/task=bad")[0]["metadata"]["name"]
    assignment = busy.cli("describe", "assignment", name).stdout
    assert (
        "Exit code" in assignment
        and "BackOff" in assignment
        and f"`starlink --data-dir {busy.data} logs {name} -n default`" in assignment
    )


def test_describe_of_what_it_does_not_know_says_what_would_be_right(busy: Starlink) -> None:
    assert refused(busy, "describe", "task", "wbe") == (
        "Error: there is no task wbe in namespace default; did you mean web?\n"
    )
    way = f"`starlink --data-dir {busy.data} get"
    assert refused(busy, "describe", "task") == f"Error: give the name of the task; {way} tasks` shows them\n"
    assert f"{way} secret x -o yaml`" in refused(busy, "describe", "secret", "x")
    assert "did you mean servers" in refused(busy, "describe", "sevrers", "s1")


# Servers


def test_a_server_is_cordoned_and_uncordoned(busy: Starlink) -> None:
    assert busy.cli("cordon", "s1").stdout == "server s1 cordoned\n"
    assert busy.cli("server", "cordon", "s1").stdout == "server s1 is cordoned already\n"
    assert busy.get("server", "s1")["spec"]["unschedulable"] is True
    eventually(lambda: "Cordoned" in busy.cli("get", "server", "s1").stdout, "its condition says so")
    assert "ready, cordoned" in busy.cli("server", "list").stdout
    assert f"`starlink --data-dir {busy.data} uncordon s1` lets them" in busy.cli("describe", "server", "s1").stdout
    done = busy.cli("uncordon", "s1", "s9", check=False)
    assert (done.returncode, done.stdout) == (1, "server s1 uncordoned\n")
    assert done.stderr == "Error: there is no server s9; there are: s1\n"
    assert busy.get("server", "s1")["spec"]["unschedulable"] is False


def test_a_server_is_listed_and_removed(busy: Starlink) -> None:
    busy.add_server("s2")
    rows = busy.cli("server", "list").stdout.splitlines()
    assert rows[0].split()[:2] == ["NAME", "STATE"] and rows[2].startswith("s2") and "never heard yet" in rows[2]
    assert busy.cli("server", "remove", "s2").stdout == "server s2 deleted\n"
    assert busy.get("server", "s2") == {}
    assert "there is no server s2" in refused(busy, "server", "remove", "s2")
    for words in (("server", "remove", "s1"), ("delete", "server/s1")):
        assert "its agent runs here under `starlink up`" in refused(busy, *words)
    assert "deletionTimestamp" not in busy.get("server", "s1")["metadata"]


# Completion


def completed(starlink: Starlink, *words: str, kubeconfig: Path | None = None) -> list[str]:
    """What a shell is told of the last word."""
    meant = ["--kubeconfig", str(kubeconfig)] if kubeconfig else ["--data-dir", str(starlink.data)]
    told = ["starlink", *meant, *words]
    env = {"COMP_WORDS": " ".join(told), "COMP_CWORD": str(len(told) - 1), "_STARLINK_COMPLETE": "bash_complete"}
    done = command.run((), env=env)
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.split()]


def test_names_are_completed(busy: Starlink) -> None:
    assert completed(busy, "get", "ta") == ["tasks"]
    assert completed(busy, "get", "tasks", "") == ["bad", "huge", "web"]
    assert completed(busy, "describe", "task", "w") == ["web"]
    assert completed(busy, "delete", "task", "web", "") == ["bad", "huge"]
    assert completed(busy, "get", "task/w") == ["task/web"]
    assert completed(busy, "get", "tasks", "-n", "team", "") == []
    assert completed(busy, "cordon", "") == completed(busy, "server", "remove", "s") == ["s1"]
    assert completed(busy, "logs", "b") == ["bad"]
    assert completed(busy, "get", "tasks", "-o", "j") == ["json", "jsonpath="]
    assert completed(busy, "unc") == ["uncordon"]


def test_kinds_are_completed_that_have_objects_to_show(busy: Starlink) -> None:
    proposed = completed(busy, "get", "")
    assert proposed[:4] == ["assignments", "pools", "servers", "tasks"] and "namespaces" in proposed
    assert not [kind for kind in proposed if kind.endswith("reviews")]
    assert "selfsubjectreviews" not in refused(busy, "get", "qqq")


def test_several_kinds_are_completed(busy: Starlink) -> None:
    assert completed(busy, "get", "tasks,pool") == ["tasks,pools"]
    assert completed(busy, "get", "tasks,pools,se") == [
        f"tasks,pools,{kind}" for kind in ("servers", "secrets", "serviceaccounts")
    ]
    assert completed(busy, "get", "tasks,tas") == completed(busy, "get", "tasks,pools", "") == []
    assert completed(busy, "delete", "tasks,p") == []
    assert 'string split --max 1 "," $completion' in busy.cli("completion", "fish").stdout


def test_namespaces_are_completed(busy: Starlink) -> None:
    assert completed(busy, "get", "tasks", "-n", "def") == ["default"]
    assert completed(busy, "-n", "starlink-s") == ["starlink-servers"]
    assert {"default", "kube-system"} <= {*completed(busy, "logs", "web", "--namespace", "")}


def test_completion_is_silent_where_nobody_answers(busy: Starlink, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        file = tmp_path / "kubeconfig"
        document = json.loads(busy.kubeconfig.read_text())
        document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{mute.getsockname()[1]}"
        file.write_text(json.dumps(document))
        assert completed(busy, "get", "tasks", "w", kubeconfig=file) == []
        assert completed(busy, "get", "se", kubeconfig=file) == ["servers"]
        assert completed(busy, "get", "tasks,se", kubeconfig=file) == ["tasks,servers"]
        assert completed(busy, "get", "tasks", "-n", "", kubeconfig=file) == []
    assert completed(busy, "get", "tasks", "w", kubeconfig=tmp_path / "absent") == []
    assert completed(busy, "get", "nonsense", "w") == []


def test_bash_completes_with_the_script(busy: Starlink, tmp_path: Path) -> None:
    command = tmp_path / "starlink"
    command.write_text(
        f"#!{sys.executable}\nimport sys\nsys.argv[0] = 'starlink'\nfrom starlink.cli.main import main\nmain()\n"
    )
    command.chmod(0o755)
    program = f"""
        PATH="{tmp_path}:$PATH"
        eval "$(starlink completion bash)"
        COMP_WORDS=(starlink --data-dir {busy.data} get tasks h) COMP_CWORD=5
        _starlink_completion starlink h tasks
        echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, timeout=90, check=True)
    assert done.stdout == "huge\n" and done.stderr == ""
    for shell in ("zsh", "fish"):
        assert "_STARLINK_COMPLETE" in busy.cli("completion", shell).stdout
    assert "'powershell' is not one of 'bash', 'zsh', 'fish'" in refused(busy, "completion", "powershell", code=2)
