"""kopf, unmodified: an operator as a process of its own, and what its handlers saw.

https://docs.kopf.dev/
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests import warm
from tests.conformance.clients import Door, Grants, account, door, grant, rule, subject, token, unique, widgets
from tests.conformance.conftest import CRDS, SECONDS, Crds, Http, Installed, Watch
from tests.conftest import eventually

__all__ = ["door", "grant", "widgets"]

Obj = dict[str, Any]
Run = Callable[..., "Operator"]

HANDLERS = Path(__file__).with_name("kopf_handlers.py")


@dataclass
class Operator:
    """A running operator."""

    process: warm.Running
    log: Path
    output: Path

    def noted(self, what: str, name: str = "") -> list[Obj]:
        """What its handlers wrote down."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        notes = [json.loads(line) for line in lines if line.endswith("}")]
        return [one for one in notes if one["what"] == what and name in ("", one["name"])]

    def until(self, what: str, name: str) -> Obj:
        """Waits until a handler has written down this, and gives the last of it."""
        assert self.process.poll() is None, self.output.read_text()
        eventually(lambda: self.noted(what, name), f"{what} {name}", SECONDS)
        return self.noted(what, name)[-1]

    def until_said(self, words: str) -> None:
        eventually(lambda: words in self.output.read_text(), f"the operator says {words!r}", SECONDS)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(SECONDS)


@pytest.fixture
def run(kubeconfig: Path, namespace: str, widgets: Installed, tmp_path: Path) -> Iterator[Run]:
    """`run(*options, **environment)`: an operator for the namespace's widgets."""
    started: list[Operator] = []

    def start(*options: str, **environment: str) -> Operator:
        number = len(started)
        log, output = tmp_path / f"log-{number}", tmp_path / f"output-{number}"
        env = {
            **os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(tmp_path), "LOG": str(log),
            "GROUP": widgets.group, "PLURAL": widgets.plural, **environment,
        }  # fmt: skip
        command = [sys.executable, "-m", "kopf", "run", "--namespace", namespace, *options, str(HANDLERS)]
        with output.open("wb") as out:
            process = warm.popen(command, stdout=out, stderr=out, env=env)
        started.append(Operator(process, log, output))
        return started[-1]

    yield start
    for operator in started:
        if operator.process.poll() is None:
            operator.process.kill()
            operator.process.wait()


@dataclass
class Widgets:
    """The widgets of one namespace."""

    http: Http
    kind: Installed
    namespace: str

    def create(self, name: str, size: int = 1, **labels: str) -> None:
        body = self.kind.obj(name, metadata={"labels": labels}, spec={"size": size})
        self.http.post(self.kind.path(self.namespace), body).expect(201)

    def patch(self, name: str, patch: Obj) -> None:
        self.http.patch(self.kind.path(self.namespace, name), patch).expect(200)

    def get(self, name: str) -> Obj:
        found: Obj = self.http.get(self.kind.path(self.namespace, name)).expect(200)
        return found

    def until_gone(self, name: str) -> None:
        path = self.kind.path(self.namespace, name)
        self.http.delete(path).expect(200)
        eventually(lambda: self.http.get(path).status == 404, f"{name} gone", SECONDS)


@pytest.fixture
def mine(http: Http, widgets: Installed, namespace: str) -> Widgets:
    return Widgets(http, widgets, namespace)


def test_handlers(http: Http, run: Run, mine: Widgets) -> None:
    operator = run("--standalone")
    mine.create("a", 3)
    operator.until("create", "a")
    eventually(lambda: mine.get("a").get("status", {}).get("created") == {"seen": 3}, "the result", SECONDS)
    assert "kopf.zalando.org/KopfFinalizerMarker" in mine.get("a")["metadata"]["finalizers"]

    mine.patch("a", {"spec": {"colour": "blue"}})
    operator.until("update", "a")
    painted = {"what": "field", "name": "a", "old": "red", "new": "blue"}
    eventually(lambda: painted in operator.noted("field", "a"), "the field handler", SECONDS)

    mine.until_gone("a")
    operator.until("delete", "a")
    eventually(lambda: operator.noted("event", "a")[-1]["type"] == "DELETED", "the last event", SECONDS)
    assert len(operator.noted("create", "a")) == len(operator.noted("delete", "a")) == 1

    def told() -> bool:
        path = f"/api/v1/namespaces/{mine.namespace}/events"
        events = http.get(path, fieldSelector="involvedObject.name=a").expect(200)["items"]
        return any("'created' succeeded" in event["message"] for event in events)

    eventually(told, "the event", SECONDS)


def test_timers_indexes_and_daemons(run: Run, mine: Widgets) -> None:
    operator = run("--standalone")
    mine.create("a", 3, timed="yes")
    mine.create("b", 3, kept="yes")
    operator.until("daemon", "b")
    eventually(lambda: operator.noted("timer", "a")[-1:] and operator.noted("timer", "a")[-1]["same"] == ["a", "b"], "the index", SECONDS)  # fmt: skip
    eventually(lambda: len(operator.noted("timer", "a")) > 2, "the timer goes on", SECONDS)
    mine.until_gone("b")
    operator.until("stopped", "b")
    eventually(lambda: operator.noted("timer", "a")[-1]["same"] == ["a"], "the index forgets", SECONDS)
    mine.patch("a", {"metadata": {"finalizers": None}})


@pytest.mark.parametrize("streaming", ["0", "1"])
def test_a_restarted_operator_resumes(run: Run, mine: Widgets, watch: Callable[..., Watch], streaming: str) -> None:
    if streaming == "1":
        _need_streaming(watch, mine)
    mine.create("a")
    first = run("--standalone", STREAMING=streaming)
    first.until("create", "a")
    eventually(lambda: "kopf.zalando.org/last-handled-configuration" in mine.get("a")["metadata"].get("annotations", {}), "handled", SECONDS)  # fmt: skip
    first.stop()
    mine.patch("a", {"spec": {"size": 2}})
    mine.create("b")
    second = run("--standalone", STREAMING=streaming)
    second.until("resume", "a")
    second.until("update", "a")
    second.until("create", "b")
    assert not second.noted("create", "a")
    assert second.noted("event", "a")[0]["type"] is None  # it was there before
    mine.create("c")
    second.until("create", "c")
    assert second.noted("event", "c")[0]["type"] == "ADDED"
    for name in ("a", "b", "c"):
        mine.until_gone(name)


def _need_streaming(watch: Callable[..., Watch], mine: Widgets) -> None:
    asked = {"sendInitialEvents": True, "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": True}
    if watch(mine.kind.path(mine.namespace), timeoutSeconds=1, **asked).refusal is not None:
        pytest.skip("this server does not stream initial lists (the WatchList feature)")


@pytest.fixture
def peering(http: Http) -> Iterator[str]:
    """kopf's own kind of peerings, when it is not there yet."""
    factory = Crds(http)
    name = "kopfpeerings.kopf.dev"
    if http.get(f"{CRDS}/{name}").status == 404:
        kind = {
            "plural": "kopfpeerings",
            "singular": "kopfpeering",
            "kind": "KopfPeering",
            "listKind": "KopfPeeringList",
        }
        definition = factory.draft(names=kind, spec={"group": "kopf.dev"})
        definition["metadata"]["name"] = name
        http.post(CRDS, definition).expect(201)
        factory.until_served("/apis/kopf.dev/v1/kopfpeerings")
    yield "/apis/kopf.dev/v1"
    if not http.get("/apis/kopf.dev/v1/kopfpeerings").expect(200)["items"]:
        http.delete(f"{CRDS}/{name}")


def test_peers_pause_for_one_another(http: Http, run: Run, mine: Widgets, peering: str) -> None:
    name = unique("peers")
    path = f"{peering}/namespaces/{mine.namespace}/kopfpeerings"
    body = {"apiVersion": "kopf.dev/v1", "kind": "KopfPeering", "metadata": {"name": name}}
    http.post(path, body).expect(201)
    low = run("--peering", name, PRIORITY="1")
    mine.create("a")
    low.until("create", "a")
    high = run("--peering", name, PRIORITY="2")
    low.until_said("Pausing operations")
    mine.create("b")
    high.until("create", "b")
    assert not low.noted("create", "b")
    assert len(http.get(f"{path}/{name}").expect(200)["status"]) == 2
    high.stop()
    low.until_said("Resuming operations")
    mine.create("c")
    low.until("create", "c")
    for one in ("a", "b", "c"):
        mine.until_gone(one)
    low.stop()
    http.delete(f"{path}/{name}").expect(200)


def test_an_operator_with_little_access(http: Http, run: Run, mine: Widgets, door: Door, grant: Grants) -> None:
    """The access that kopf's own documentation asks for is enough: https://docs.kopf.dev/en/stable/deployment/#rbac."""
    account(http, mine.namespace, "operator")
    who = subject("operator", "ServiceAccount", mine.namespace)
    everywhere = rule(["list", "watch"], ["customresourcedefinitions"], "apiextensions.k8s.io")
    grant("", who, everywhere, rule(["list", "watch"], ["namespaces"]))
    own = rule(["list", "watch", "patch"], [mine.kind.plural, f"{mine.kind.plural}/status"], mine.kind.group)
    grant(mine.namespace, who, own, rule(["create"], ["events"]))
    limited = door.kubeconfig({"token": token(http, mine.namespace, "operator")})
    operator = run("--standalone", KUBECONFIG=str(limited))
    mine.create("a")
    operator.until("create", "a")
    mine.until_gone("a")
