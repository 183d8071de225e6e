"""Tasks against a StarLink that root has brought up: its own files, set-uid programs, and all processes that there can
be."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.attack.instances import PYTHON, needs_root
from tests.conftest import Starlink, eventually

from starlink_nodeagent.processes import confinement

pytestmark = needs_root


def task(name: str, *command: str, **template: Any) -> dict[str, Any]:
    return {
        "apiVersion": "starlink.dev/v1alpha1",
        "kind": "Task",
        "metadata": {"name": name},
        "spec": {"template": {"command": [*command], **template}},
    }


def ready(starlink: Starlink, name: str) -> None:
    eventually(lambda: starlink.condition("task", name, "Ready") == "True", f"{name} is ready")


def work_of(starlink: Starlink, name: str) -> Path:
    (found,) = starlink.items("assignments", "-l", f"starlink.dev/task={name}")
    return starlink.data.joinpath("agent", "instances", found["metadata"]["uid"], "work")


WALK = """
import json, os, sys
found = {"read": [], "listed": [], "written": []}
for path in json.load(sys.stdin):
    for kind, attempt in (("read", lambda: open(path, "rb").close()), ("listed", lambda: os.listdir(path)),
                          ("written", lambda: os.close(os.open(path, os.O_WRONLY)))):
        try:
            attempt()
            found[kind].append(path)
        except OSError:
            pass
    try:
        os.close(os.open(os.path.join(path, ".new"), os.O_CREAT | os.O_WRONLY))
        found["written"].append(path)
    except OSError:
        pass
print(json.dumps(found))
"""


def test_a_task_reads_nothing_of_starlinks_and_nothing_of_its_neighbours(starlink: Starlink) -> None:
    """Every file and directory below a real data directory is tried as the user of a task."""
    starlink.apply(task("one", "sh", "-c", "echo mine > own; exec sleep 100000"))
    starlink.apply(task("two", "sh", "-c", "echo theirs > own; exec sleep 100000", env=[{"name": "A", "value": "b"}]))
    ready(starlink, "one")
    ready(starlink, "two")
    own = work_of(starlink, "one")
    uid = own.stat().st_uid
    assert uid not in (0, work_of(starlink, "two").stat().st_uid)
    paths = [str(starlink.data), *(str(path) for path in starlink.data.rglob("*"))]
    assert {"admin.kubeconfig", "ca.key", "agent.token", "audit.log", "record.json", "current.log"} <= {
        Path(path).name for path in paths
    }
    done = subprocess.run(
        [PYTHON, "-c", WALK], input=json.dumps(paths), user=uid, group=uid, extra_groups=[], cwd="/", env={},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    found = {kind: sorted(names) for kind, names in json.loads(done.stdout).items()}
    assert found == {"read": [f"{own}/own"], "listed": [str(own)], "written": [str(own), f"{own}/own"]}
    starlink.cli("delete", "task", "one", "two")


def test_up_says_as_whom_tasks_run(starlink: Starlink) -> None:
    said = (starlink.data / "logs" / "up.log").read_text()
    assert "each task runs as a user of its own" in said


def test_a_set_uid_program_gains_nothing(starlink: Starlink, tmp_path: Path) -> None:
    for part in (tmp_path, tmp_path.parent):
        part.chmod(0o755)
    program = Path(shutil.copy("/usr/bin/id", tmp_path / "id"))
    program.chmod(0o4755)
    freely = subprocess.run([program, "-u"], user=65534, group=65534, extra_groups=[], capture_output=True, check=True)
    if freely.stdout != b"0\n":
        pytest.skip(f"{tmp_path} is on a file system without set-uid programs")
    starlink.apply(task("riser", "sh", "-c", f"{program} -u; grep NoNewPrivs /proc/self/status; exec sleep 100000"))
    ready(starlink, "riser")
    uid = work_of(starlink, "riser").stat().st_uid
    eventually(lambda: "NoNewPrivs" in starlink.cli("logs", "riser", check=False).stdout, "it has said")
    assert starlink.cli("logs", "riser").stdout.split() == [str(uid), "NoNewPrivs:", "1"]
    starlink.cli("delete", "task", "riser")


STORM = """
import threading, time
threading.stack_size(65536)
count = 0
try:
    for count in range(40_000):
        threading.Thread(target=time.sleep, args=(100000,), daemon=True).start()
except RuntimeError:
    pass
print("threads", count, flush=True)
time.sleep(100000)
"""


def test_a_task_that_takes_all_processes_leaves_its_neighbours_theirs(starlink: Starlink) -> None:
    most = confinement.most_processes(confinement._limits_of_machine())
    if most > 20_000:
        pytest.skip(f"this machine lets one user have {most} processes, too many to try")
    probe = {"exec": {"command": ["true"]}, "period": "200ms"}
    starlink.apply(task("neighbour", "sleep", "100000", probes={"readiness": probe}))
    ready(starlink, "neighbour")
    starlink.apply(task("storm", PYTHON, "-c", STORM))
    eventually(
        lambda: "threads" in starlink.cli("logs", "storm", check=False).stdout, "the storm has taken all it gets"
    )
    count = int(starlink.cli("logs", "storm").stdout.split()[1])
    assert most / 2 < count < most
    (before,) = starlink.items("assignments", "-l", "starlink.dev/task=neighbour")
    starlink.apply(task("later", "sleep", "100000", probes={"readiness": probe}))
    ready(starlink, "later")
    (after,) = starlink.items("assignments", "-l", "starlink.dev/task=neighbour")
    assert after["status"]["ready"] and after["status"].get("restarts") == before["status"].get("restarts")
    uid = work_of(starlink, "storm").stat().st_uid
    starlink.cli("delete", "task", "storm", "later", "neighbour")
    eventually(lambda: not starlink.items("assignments", "-l", "starlink.dev/task=storm"), "the storm is over")
    with pytest.raises(ProcessLookupError):
        os.getpriority(os.PRIO_USER, uid)


def test_the_agent_goes_before_its_tasks(starlink: Starlink) -> None:
    starlink.apply(task("usual", "sleep", "100000"))
    ready(starlink, "usual")
    agent = starlink.state["children"]["agent"]
    usual = os.getpriority(os.PRIO_PROCESS, os.getpid())
    assert os.getpriority(os.PRIO_PROCESS, agent) == usual - 5
    assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in starlink.processes()} == {usual}
    starlink.cli("delete", "task", "usual")


@pytest.mark.parametrize(
    ("field", "template"),
    [
        ("command[0]", {"command": ["a\0b"]}),
        ("args[0]", {"args": ["a\0b"]}),
        ("env[0].value", {"env": [{"name": "A", "value": "s3cret\0"}]}),
        ("env[0].name", {"env": [{"name": "A\0", "value": ""}]}),
        ("env[0].name", {"env": [{"name": "A=B", "value": ""}]}),
        ("env[0].name", {"env": [{"name": "", "value": ""}]}),
        ("workingDir", {"workingDir": "a\0b"}),
        ("probes.readiness.exec.command[0]", {"probes": {"readiness": {"exec": {"command": ["a\0"]}}}}),
        ("probes.readiness.httpGet.path", {"probes": {"readiness": {"httpGet": {"path": "/a\r\nX: y"}}}}),
        ("probes.readiness.httpGet.path", {"probes": {"readiness": {"httpGet": {"path": "/a\0"}}}}),
    ],
)
def test_what_no_process_can_be_given_is_refused_at_the_door(
    starlink: Starlink, field: str, template: dict[str, Any]
) -> None:
    done = starlink.cli(
        "apply", "-f", "-", stdin=json.dumps(task("nul", "true") | {"spec": {"template": template}}), check=False
    )
    assert done.returncode != 0 and f"spec.template.{field}" in done.stderr + done.stdout
    assert starlink.get("task", "nul") == {}
