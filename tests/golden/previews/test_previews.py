"""What the command line shows before anything is done, a file a case: a cluster in YAML, what is asked of it, and below
the line the answer.

`running` tasks are applied and settled one after another, each with the servers that `only` names uncordoned. Asked is
`plan` (tasks), `add` (servers, in `pool`, with the tasks of `plan`), `move` (servers to a pool), `headroom` (tasks, seen
by one who can't read servers), `rebalance` (the most moves) or `data` (tasks, answered as `starlink plan -o yaml` has them). `pytest tests/golden --rewrite` writes the answers anew;
read the diff.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from tests.world import Cluster

from starlink.api.meta import ObjectKey
from starlink.api.task import Task
from starlink.cli import pool as pool_command
from starlink.cli import rebalance as rebalance_command
from starlink.cli.formats import written
from starlink.cli.plan_data import preview_data
from starlink.cli.preview_text import render, render_estimates, render_what_if
from starlink.engine.foresight.headroom import estimates
from starlink.engine.foresight.moving import preview_move
from starlink.engine.foresight.preview import previews
from starlink.engine.foresight.rebalancing import proposals
from starlink.engine.foresight.what_if import addition, what_if

CASES = Path(__file__).parent
LINE = "---\n"
Given = Mapping[str, Any]


def spec(given: Given) -> dict[str, Any]:
    """A task's spec; `requests` and `ports` are short for those of its template."""
    short = ("name", "namespace", "requests", "ports", "command", "only")
    template: dict[str, Any] = {"command": [given.get("command", "run")]}
    if "requests" in given:
        template["resources"] = {"requests": given["requests"]}
    if "ports" in given:
        template["ports"] = [{"name": f"p{port}", "port": port} for port in given["ports"]]
    return {**{key: value for key, value in given.items() if key not in short}, "template": template}


def task(given: Given) -> Task:
    metadata = {"name": given["name"], "namespace": given.get("namespace", "default")}
    return msgspec.convert({"metadata": metadata, "spec": spec(given)}, Task)


def cluster(case: Given) -> Cluster:
    made = Cluster()
    servers = {given["name"]: made.server(**given) for given in case.get("servers", ())}
    for given in case.get("pools", ()):
        made.pool(**given)
    for given in case.get("running", ()):
        held = [name for name in servers if name not in given.get("only", servers)]
        for name in held:
            made.change(servers[name], unschedulable=True)
        metadata = {"name": given["name"], "namespace": given.get("namespace", "default")}
        made.add({"kind": "Task", "metadata": metadata, "spec": spec(given)})
        made.settle()
        for name in held:
            made.change(servers[name], unschedulable=False)
    made.settle()
    return made


def plan(case: Given, made: Cluster) -> str:
    return "\n".join(map(render, previews(made.world(), [task(given) for given in case["plan"]])))


def data(case: Given, made: Cluster) -> str:
    found = previews(made.world(), [task(given) for given in case["data"]])
    return written("yaml", {"tasks": [preview_data(one) for one in found]})


def added(case: Given, made: Cluster) -> str:
    tasks = [task(given) for given in case.get("plan", ())]
    pool = case.get("pool", "")
    return render_what_if(what_if(made.world(), tasks, pool, [addition(text) for text in case["add"]]), pool)


def move(case: Given, made: Cluster) -> str:
    found = preview_move(made.world(), case["move"]["servers"], case["move"]["pool"])
    return f"{pool_command.render(found)}fits: {'yes' if found.fits else 'no'}\n"


def headroom(case: Given, made: Cluster) -> str:
    tasks = [task(given) for given in case["headroom"]]
    world, seen = made.world(), {one.metadata.namespace for one in tasks}

    def own(objects: Mapping[ObjectKey, Any]) -> dict[ObjectKey, Any]:
        return {key: value for key, value in objects.items() if key.namespace in seen}

    world = replace(world, servers={}, silence={}, tasks=own(world.tasks), assignments=own(world.assignments))
    return render_estimates(estimates(world, tasks), "servers")


def rebalance(case: Given, made: Cluster) -> str:
    return rebalance_command.render(proposals(made.world(), case["rebalance"]))


ASKED: dict[str, Callable[[Given, Cluster], str]] = {
    "add": added, "move": move, "headroom": headroom, "rebalance": rebalance, "plan": plan,
    "data": data,
}  # fmt: skip


@pytest.mark.parametrize("path", sorted(CASES.glob("*.txt")), ids=lambda path: path.stem)
def test_preview(path: Path, rewrite: bool) -> None:
    text, _, expected = path.read_text().partition(LINE)
    case = yaml.safe_load(text)
    asked = next(name for name in ASKED if name in case)
    found = ASKED[asked](case, cluster(case))
    if rewrite:
        path.write_text(f"{text}{LINE}{found}")
    else:
        assert found == expected
