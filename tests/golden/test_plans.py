"""Transcripts of plans: what was declared and observed, and what the engine made of it, for a person to read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.world import START, Cluster

from starlink.api.task import Task
from starlink.api.timestamp import format_time
from starlink.cli.preview_text import render
from starlink.engine.foresight.preview import preview
from starlink.planning.attempt import leaving
from starlink.planning.plan import (
    Action,
    Apply,
    Create,
    Delete,
    Patch,
    RecordEvent,
    ReleaseFinalizer,
    UpdateStatus,
)

PLANS = Path(__file__).parent / "plans"


class Transcript:
    """A cluster whose every step is written down."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(f"\n# {text}" if self.lines else f"# {text}")

    def round(self) -> None:
        before = self.cluster.now - START
        plans = self.cluster.round()
        self.lines.append(f"round at {before:g} s:")
        for plan in plans:
            self.lines.append(f"  {plan.subject} ({plan.reason})")
            self.lines += [f"    {told}" for action in plan.actions for told in tell(action)]
        if not plans:
            self.lines.append("  nothing to do")

    def agents(self) -> None:
        self.cluster.agents()
        self.lines.append("agents:")
        for a in self.cluster.assignments():
            self.lines.append(f"  {a.name} on {a.spec.server}: {a.status.phase}{', ready' if a.status.ready else ''}")

    def settle(self) -> None:
        self.cluster.settle()
        self.lines.append("settled:")
        for task in self.cluster.world().tasks.values():
            ready = task.status.conditions[0]
            self.lines.append(f"  task {task.key}: {task.status.phase}, {ready.reason}: {ready.message}")
        for a in self.cluster.assignments():
            self.lines.append(f"  {a.name} on {a.spec.server}: {a.status.phase}")

    def preview(self, name: str, **spec: Any) -> None:
        spec.setdefault("template", {"command": ["run"]})
        task = msgspec.convert({"metadata": {"name": name, "namespace": "default"}, "spec": spec}, Task)
        self.lines += render(preview(self.cluster.world(), task)).splitlines()


def tell(action: Action) -> list[str]:
    match action:
        case Create():
            return [f"create {action.manifest['metadata']['name']} on {action.manifest['spec']['server']}"]
        case Apply():
            return [f"apply {action.key.name}: {action.spec}"]
        case Patch():
            if left := leaving(action):
                return [f"stop {action.key.name}: {left.reason}"]
            return [f"hold {action.key.name} ({action.patch['metadata']['finalizers'][-1]})"]
        case UpdateStatus() if action.resource_version:
            return [f"doubt {action.key.name}: {action.status['reason']}"]
        case Delete():
            return [f"delete {action.key.name}: {action.reason}"]
        case ReleaseFinalizer():
            return [f"release {action.key.name} ({action.finalizer})"]
        case UpdateStatus():
            fields = {k: v for k, v in action.status.items() if k != "conditions"}
            conditions = [f"{c['type']}={c['status']} {c['reason']}" for c in action.status.get("conditions", ())]
            return [
                f"status of {action.kind.kind.lower()} {action.key.name}: {fields}",
                *(f"  {c}" for c in conditions),
            ]
        case RecordEvent():
            return [f"event {action.type} {action.reason}: {action.message}"]


def service_life(t: Transcript) -> None:
    t.say("two servers, a service of three")
    t.cluster.server("s1")
    t.cluster.server("s2")
    web = t.cluster.task("web", replicas=3)
    t.round()
    t.agents()
    t.settle()
    t.say("scaled to two: the highest slot goes")
    t.cluster.change(web, replicas=2)
    t.round()
    t.settle()
    t.say("scaled to three again: the slot's next attempt, for no name is used twice")
    t.cluster.change(web, replicas=3)
    t.settle()


def template_change(t: Transcript) -> None:
    t.say("a changed template replaces one at a time, the highest slot first")
    t.cluster.server("s1")
    web = t.cluster.task("web", replicas=2)
    t.settle()
    t.cluster.change(web, template={"command": ["other"]})
    for _ in range(5):
        t.round()
        t.agents()
    t.settle()


def failed_attempts(t: Transcript) -> None:
    t.say("an attempt that failed stays to be seen, and is followed after 10 s, then 20 s")
    t.cluster.server("s1")
    t.cluster.task("web")
    t.settle()
    for wait in (9, 2, 15, 6):
        running = [a for a in t.cluster.assignments() if not a.finished]
        for a in running:
            finished = format_time(t.cluster.now)
            t.cluster.report_named(a.name, phase="Failed", ready=False, reason="CommandNotFound",
                                   message="run is not found in PATH", finishedAt=finished)  # fmt: skip
        t.round()
        t.say(f"{wait} s later")
        t.cluster.now += wait
    t.round()


def lost_server(t: Transcript) -> None:
    t.say("a server falls silent: not ready at once for new work, lost after lostAfter, told to stop when it returns")
    t.cluster.server("s1")
    t.cluster.server("s2")
    t.cluster.task("web", replicas=2)
    t.settle()
    t.cluster.silence["s2"] = 10
    t.say("10 s of silence")
    t.round()
    t.cluster.silence["s2"] = 16
    t.say("16 s of silence")
    t.settle()
    t.cluster.silence["s2"] = 0
    t.say("it is back")
    t.settle()


def unreplaceable(t: Transcript) -> None:
    t.say("the only riscv64 server falls silent: nobody can take its place, so it goes on when it is heard again")
    t.cluster.server("amd")
    t.cluster.server("riscv", arch="riscv64")
    t.cluster.task("board", placement={"architectures": ["riscv64"]})
    t.settle()
    t.cluster.silence["riscv"] = 25
    t.say("25 s of silence")
    t.round()
    t.cluster.silence["riscv"] = 0
    t.say("it is back")
    t.round()
    t.settle()


def draining(t: Transcript) -> None:
    t.say("a deleted server gets nothing new; its instances move one at a time, then it goes")
    t.cluster.server("s1")
    s2 = t.cluster.server("s2")
    t.cluster.task("web", replicas=4)
    t.settle()
    t.cluster.delete(s2)
    t.round()
    t.settle()
    t.lines.append(f"servers: {', '.join(sorted(t.cluster.world().servers))}")


def batch_life(t: Transcript) -> None:
    t.say("three completions, two at a time, one retry each")
    t.cluster.server("s1")
    t.cluster.task("sum", type="Batch", completions=3, parallelism=2, retries=1)
    t.round()
    t.agents()

    def end(name: str, code: int) -> None:
        t.cluster.report_named(name, phase="Exited", ready=False, exitCode=code, finishedAt=format_time(t.cluster.now))

    names = [a.name for a in t.cluster.assignments()]
    t.say("slot 0 is done, slot 1 fails")
    end(names[0], 0)
    end(names[1], 1)
    t.round()
    t.say("a second later slot 1 is tried again")
    t.cluster.now += 2
    t.round()
    t.agents()
    t.say("all end well")
    for a in t.cluster.assignments():
        if not a.finished:
            end(a.name, 0)
    t.settle()


def fixed_counts(t: Transcript) -> None:
    t.say("a service of two on s1 and one on s2, and on no other server")
    for name in ("s1", "s2", "s3"):
        t.cluster.server(name)
    on_s1, on_s2 = {"name": "s1", "replicas": 2}, {"name": "s2"}
    web = t.cluster.task("web", servers=[on_s1, on_s2])
    t.round()
    t.agents()
    t.settle()
    t.say("one on s1: its highest slot stops")
    t.cluster.change(web, servers=[{"name": "s1", "replicas": 1}, on_s2])
    t.round()
    t.settle()
    t.say("s2 is not listed any more: its slot stops")
    t.cluster.change(web, servers=[{"name": "s1", "replicas": 1}])
    t.round()
    t.settle()
    t.say("two on s1 again: the slot's next attempt")
    t.cluster.change(web, servers=[on_s1])
    t.settle()


def max_unavailable(t: Transcript) -> None:
    t.say("a changed template replaces two at a time, the highest slots first")
    t.cluster.server("s1")
    web = t.cluster.task("web", replicas=3, update={"maxUnavailable": 2})
    t.settle()
    t.cluster.change(web, template={"command": ["other"]})
    for _ in range(4):
        t.round()
        t.agents()
    t.settle()


def preempted_service(t: Transcript) -> None:
    t.say("an instance makes room: it stays charged until it has stopped, and then its slot's next attempt is placed")
    t.cluster.server("s1", cpu="2")
    t.cluster.task("web", template={"command": ["run"], "resources": {"requests": {"cpu": 2}}})
    t.settle()
    t.cluster.server("s2", cpu="2")
    t.cluster.preempt(t.cluster.assignments()[0].name)
    t.round()
    t.cluster.report_named(t.cluster.assignments()[0].name, phase="Stopped", ready=False)
    t.round()
    t.agents()
    t.settle()


def preempted_batch(t: Transcript) -> None:
    t.say("no retries: an attempt that makes room is no failed one, and is followed without a wait")
    t.cluster.server("s1", cpu="1")
    t.cluster.task("sum", type="Batch", retries=0, template={"command": ["run"], "resources": {"requests": {"cpu": 1}}})
    t.settle()
    t.cluster.preempt(t.cluster.assignments()[0].name)
    t.cluster.report_named(t.cluster.assignments()[0].name, phase="Exited", ready=False, exitCode=143,
                           finishedAt=format_time(t.cluster.now))  # fmt: skip
    t.round()
    t.agents()
    t.settle()


def previews(t: Transcript) -> None:
    t.say("plan: what fits, and what does not and why")
    t.cluster.server("arm", arch="arm64", cpu="2")
    t.cluster.server("big", cpu="8", labels={"disk": "ssd"})
    t.cluster.server("cordoned", unschedulable=True)
    t.cluster.server("lab", taints=[{"key": "lab", "effect": "NoSchedule"}])
    t.cluster.pool("edge", selector={"disk": "hdd"})
    t.preview("fits", replicas=3)
    t.preview("arm", replicas=2, placement={"architectures": ["arm64"]})
    t.preview("riscv", placement={"architectures": ["riscv64"]})
    t.preview("ssd", placement={"serverSelector": {"disk": "nvme"}})
    t.preview("huge", template={"command": ["run"], "resources": {"requests": {"cpu": 6}}}, replicas=2)
    t.preview("port", template={"command": ["run"], "ports": [{"name": "http", "port": 80}]}, replicas=3)
    t.preview("edge", placement={"pool": "edge"})
    t.preview("nowhere", placement={"pool": "nowhere"})


SCENARIOS: list[Callable[[Transcript], None]] = [
    service_life, template_change, failed_attempts, lost_server, unreplaceable, draining, batch_life, fixed_counts, max_unavailable,
    preempted_service, preempted_batch, previews,
]  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_transcript(scenario: Callable[[Transcript], None], rewrite: bool) -> None:
    transcript = Transcript()
    scenario(transcript)
    text = "\n".join(transcript.lines) + "\n"
    path = PLANS / f"{scenario.__name__}.txt"
    if rewrite:
        path.write_text(text)
    assert path.exists(), f"{path} is missing; write it with --rewrite and read it"
    assert text == path.read_text()
