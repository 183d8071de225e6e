"""apply, with and without --wait, on a StarLink that runs what is applied."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Starlink, eventually


def task(name: str, *command: str, cpu: str = "10m", **spec: Any) -> dict[str, Any]:
    template = {
        "command": [*command] or ["sleep", "100000"],
        "resources": {"requests": {"cpu": cpu}},
        "stop": {"gracePeriod": "1s"},
    }
    return {
        "apiVersion": "starlink.dev/v1alpha1",
        "kind": "Task",
        "metadata": {"name": name},
        "spec": {"template": template, **spec},
    }


def pool(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "starlink.dev/v1alpha1", "kind": "Pool", "metadata": {"name": name}, "spec": spec}


def apply(starlink: Starlink, *objects: dict[str, Any], words: tuple[str, ...] = ()) -> Any:
    given = "\n---\n".join(map(json.dumps, objects))
    return starlink.cli("apply", "-f", "-", *words, stdin=given, check=False)


@pytest.fixture(autouse=True)
def cleared(starlink: Starlink) -> Iterator[None]:
    yield
    for kind in ("tasks", "pools"):
        for one in starlink.items(kind):
            starlink.cli("delete", kind.removesuffix("s"), one["metadata"]["name"], check=False)


def test_wait_ends_when_the_instances_last(starlink: Starlink) -> None:
    done = apply(starlink, task("web", replicas=2, update={"minReadyTime": "1s"}), words=("--wait",))
    assert done.returncode == 0, done.stdout + done.stderr
    first, *middle, last = done.stdout.splitlines()
    assert first == "task default/web created"
    assert middle and all(line.startswith("task default/web: ") for line in middle)
    assert last == "task default/web is ready: 2 of 2 instances are ready"
    assert starlink.get("task", "web")["status"]["available"] == 2


def test_wait_ends_with_2_when_something_finds_no_place(starlink: Starlink) -> None:
    done = apply(starlink, task("big", cpu="100000"), task("small"), words=("--wait", "--timeout", "60s"))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "task default/big has instances without a place: 0 of 1 servers fit 1 more instance" in done.stdout
    assert "task default/small is ready: 1 of 1 instance is ready" in done.stdout


def test_without_wait_what_finds_no_place_is_said_at_once(starlink: Starlink) -> None:
    done = apply(starlink, task("big", cpu="100000"), task("small"))
    assert done.returncode == 0
    assert done.stdout == "task default/big created\ntask default/small created\n"
    assert done.stderr.startswith("task default/big has instances without a place: 0 of 1 servers fit 1 more instance")
    assert "small" not in done.stderr


def test_a_pool_of_the_same_file_is_no_failure(starlink: Starlink) -> None:
    placement = {"pool": "edge"}
    edge = pool("edge", selector={"kubernetes.io/os": "linux"})
    done = apply(starlink, task("web", placement=placement), edge, words=("--wait",))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pool edge is in force: " in done.stdout and "task default/web is ready: " in done.stdout


def test_wait_ends_with_1_when_it_crashes_and_with_0_once_it_is_mended(starlink: Starlink) -> None:
    done = apply(starlink, task("web", "sh", "-c", "exit 3"), words=("--wait",))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "task default/web has failed: CrashLoop: " in done.stdout and "exit code 3" in done.stdout
    assert f"; see what it printed: `starlink --data-dir {starlink.data} logs web -n default`\n" in done.stdout
    done = apply(starlink, task("web"), words=("--wait",))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "has failed" not in done.stdout


def test_what_is_being_deleted_is_not_taken_for_applied(starlink: Starlink) -> None:
    edge, web = pool("edge", strategy="Pack"), task("web", placement={"pool": "edge"})
    apply(starlink, edge, web)
    starlink.cli("delete", "pool", "edge", "--wait=false")
    eventually(lambda: "held by" in json.dumps(starlink.get("pool", "edge")), "the pool says by whom it is held")
    held = "it is being deleted, and held by 1 task that names it (default/web)"
    way_out = f"`starlink --data-dir {starlink.data} delete pool edge --force`; applying it does not undo that"
    for words in ((), ("--wait",)):
        done = apply(starlink, edge, words=words)
        assert (done.returncode, done.stdout) == (1, "pool edge unchanged, but it is being deleted\n")
        assert done.stderr.startswith(f"Error: pool edge: {held}") and way_out in done.stderr
    done = apply(starlink, {**edge, "spec": {"strategy": "Spread"}})
    assert (done.returncode, done.stdout) == (1, "pool edge configured, but it is being deleted\n")
    planned = starlink.cli("plan", "-f", "-", stdin=json.dumps(edge), check=False)
    assert planned.returncode == 2 and f"  pool edge: {held}" in planned.stdout and way_out in planned.stdout
    assert "spec.strategy" in planned.stdout


def test_a_probe_that_fails_sends_to_the_logs_when_the_time_is_up(starlink: Starlink) -> None:
    probed = task("web", "sh", "-c", "echo not yet; exec sleep 100000")
    probed["spec"]["template"]["probes"] = {"readiness": {"exec": {"command": ["false"]}, "period": "1s"}}
    starlink.apply(probed)
    (one,) = starlink.items("assignments")
    name = one["metadata"]["name"]
    eventually(lambda: starlink.get("assignment", name)["status"].get("reason") == "NotReady", "its probe fails")
    done = apply(starlink, probed, words=("--wait", "--timeout", "1"))
    assert done.returncode == 1 and "task default/web is not ready after 1s: " in done.stdout
    assert f"; see what it printed: `starlink --data-dir {starlink.data} logs web -n default`\n" in done.stdout


def test_a_batch_is_waited_for_until_it_is_over(starlink: Starlink) -> None:
    once = "if mkdir $HOME/../tried-$STARLINK_TASK 2>/dev/null || [ $STARLINK_SLOT = 1 ]; then exit 0; fi"
    done = apply(
        starlink,
        task("good", "sh", "-c", once, type="Batch", completions=2),
        task("bad", "sh", "-c", "exit 4", type="Batch", retries=1),
        words=("--wait",),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "task default/good is ready: 2 of 2 completions are done" in done.stdout
    assert "task default/bad has failed: RetriesExceeded: slot 0 failed 2 times, retries is 1" in done.stdout


def test_what_is_refused_is_not_waited_for(starlink: Starlink) -> None:
    done = apply(starlink, task("web"), task("wrong", replicas=-1), words=("--wait",))
    assert done.returncode == 1
    assert done.stdout == "task default/web created\n" and "spec.replicas" in done.stderr


def test_the_time_to_wait_is_bounded_and_told(starlink: Starlink) -> None:
    done = apply(starlink, task("web", update={"minReadyTime": "1h"}), words=("--wait", "--timeout", "1"))
    assert done.returncode == 1
    assert "task default/web is not ready after 1s: " in done.stdout
    assert apply(starlink, task("web"), words=("--timeout", "5s")).returncode == 2
    done = apply(starlink, task("web"), words=("--wait", "--timeout", "soon"))
    assert "'soon' is not a duration; write it as 30s, 1m30s or 500ms" in done.stderr


def test_on_a_terminal_one_line_is_rewritten_and_ctrl_c_leaves_what_was_applied(
    starlink: Starlink, tmp_path: Path
) -> None:
    manifest = tmp_path / "web.json"
    manifest.write_text(json.dumps(task("web", update={"minReadyTime": "1h"})))
    ours, theirs = pty.openpty()
    words = ("--data-dir", str(starlink.data), "apply", "-f", str(manifest), "--wait")
    running = subprocess.Popen([sys.executable, "-m", "starlink.cli", *words], stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""

    def read() -> bool:
        nonlocal shown
        shown += os.read(ours, 65536)
        return b"not yet for 3600 s" in shown

    eventually(read, "the line says what is waited for")
    running.send_signal(signal.SIGINT)
    assert running.wait(30) == 130
    shown += os.read(ours, 65536)
    os.close(ours)
    assert (
        re.search(rb"\r\x1b\[K[^\r\n]+task default/web: ", shown)
        and b"no longer followed; what was applied stays" in shown
    )
    assert starlink.get("task", "web")["status"]["ready"] == 1


def test_a_value_that_bites_is_told_and_merge_keys_are_taken(starlink: Starlink, tmp_path: Path) -> None:
    manifest = tmp_path / "web.yaml"
    manifest.write_text(
        "apiVersion: starlink.dev/v1alpha1\nkind: Task\nmetadata: {name: web}\nspec:\n  template:\n"
        '    command: [sleep, "100000"]\n    env:\n    - &one {name: A, value: y}\n    - {<<: *one, name: B}\n'
    )
    done = starlink.cli("apply", "-f", str(manifest), check=False)
    told = f'Warning: {manifest}, line 8: y is read as true, as kubectl does; write "y" for the text, or true\n'
    assert done.returncode == 1 and done.stderr.startswith(told), done.stderr
    for place in (0, 1):  # the second by its merge key
        assert f" spec.template.env[{place}].value: true must be text: write it in quotes\n" in done.stderr
    manifest.write_text(manifest.read_text().replace("value: y", 'value: "y"'))
    done = starlink.cli("apply", "-f", str(manifest))
    assert done.stderr == ""
    env = starlink.get("task", "web")["spec"]["template"]["env"]
    assert env == [{"name": "A", "value": "y"}, {"name": "B", "value": "y"}]
