"""An operator that writes down what its handlers see: a JSON object a line, in the file that LOG names."""

import json
import os
from pathlib import Path
from typing import Any

import kopf

LOG = Path(os.environ["LOG"])
KIND = (os.environ["GROUP"], "v1", os.environ["PLURAL"])


def note(what: str, **fields: Any) -> None:
    with LOG.open("a") as log:
        log.write(json.dumps({"what": what, **fields}) + "\n")


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.watching.initial_streaming = os.environ.get("STREAMING") == "1"
    settings.peering.priority = int(os.environ.get("PRIORITY", "0"))
    settings.peering.clusterwide = False
    settings.posting.loggers = True


@kopf.on.create(*KIND)
def created(name: str, spec: kopf.Spec, **_: Any) -> dict[str, Any]:
    note("create", name=name)
    return {"seen": spec.get("size")}


@kopf.on.update(*KIND)
def updated(name: str, **_: Any) -> None:
    note("update", name=name)


@kopf.on.field(*KIND, field="spec.colour")
def painted(name: str, old: Any, new: Any, **_: Any) -> None:
    note("field", name=name, old=old, new=new)


@kopf.on.delete(*KIND)
def deleted(name: str, **_: Any) -> None:
    note("delete", name=name)


@kopf.on.resume(*KIND)
def resumed(name: str, **_: Any) -> None:
    note("resume", name=name)


@kopf.on.event(*KIND)
def event(name: str, type: str, **_: Any) -> None:
    note("event", name=name, type=type)


@kopf.index(*KIND)
def sizes(name: str, spec: kopf.Spec, **_: Any) -> dict[Any, str]:
    return {spec.get("size"): name}


@kopf.timer(*KIND, interval=0.3, labels={"timed": "yes"})
def timer(name: str, spec: kopf.Spec, sizes: Any = None, **_: Any) -> None:
    note("timer", name=name, same=sorted(sizes.get(spec.get("size"), [])))


@kopf.daemon(*KIND, labels={"kept": "yes"})
async def daemon(name: str, stopped: kopf.DaemonStopped, **_: Any) -> None:
    note("daemon", name=name)
    await stopped.wait()
    note("stopped", name=name)
