"""What was stored under earlier CRDs is served, changed and scheduled under today's."""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import ROOT, soon
from tests.integration.conftest import obj_of
from tests.integration.nodeagent.test_agent import CRD
from tests.integration.operator.test_waking import Site

from starlink.api.kinds import ASSIGNMENT, POOL, TASK
from starlink.client.errors import ApiError, Invalid
from starlink.client.kube import Client

pytestmark = pytest.mark.on_both
Obj = dict[str, Any]
EARLIER = Path(__file__).parents[1] / "fixtures" / "earlier"
ODD = "none of template.artifact.variants is for one of placement.architectures"


def stored() -> dict[str, Obj]:
    """What was stored, by name."""
    return {one["metadata"]["name"]: one for one in yaml.safe_load_all((EARLIER / "objects.yaml").read_text())}


async def install(client: Client, files: Iterable[Path]) -> None:
    """Gives the kinds these CRDs."""
    for path in files:
        wanted = yaml.safe_load(path.read_text())
        there = await client.get(CRD, wanted["metadata"]["name"])
        await client.replace(CRD, {**there, "spec": wanted["spec"]})


async def trial(client: Client) -> str:
    """What the API says of one that today's CRDs refuse; Kubernetes takes its time to serve a CRD that was changed."""
    odd = stored()["odd"]
    try:
        await client.create(TASK, obj_of(TASK, "trial", spec=odd["spec"]), "default", query={"dryRun": "All"})
    except Invalid as error:
        return str(error)
    return "taken"


async def served(client: Client, words: str) -> None:
    for _ in range(600):
        if words in await trial(client):
            return
    pytest.fail(f"the CRDs that say {words!r} are not served")


@pytest.fixture
async def earlier(client: Client) -> AsyncIterator[Client]:
    """An API with the earlier CRDs; in the end it has today's."""
    await install(client, sorted(EARLIER.glob("*.starlink.dev.yaml")))
    try:
        await served(client, "taken")
        yield client
    finally:
        await install(client, sorted((ROOT / "crds").glob("*.starlink.dev.yaml")))
        await served(client, ODD)


async def test_objects_of_earlier_crds(earlier: Client) -> None:
    before = stored()
    await earlier.create(POOL, before["gold"])
    site = Site(earlier)
    await site.begin()
    try:
        for name in ("web", "odd"):
            await earlier.create(TASK, before[name], "default")
        await soon(lambda: site.running("web") == 1, "web runs")
        (old,) = [one.name for one in site.observed.assignments.objects.values() if one.task == "web"]

        await install(earlier, sorted((ROOT / "crds").glob("*.starlink.dev.yaml")))
        await served(earlier, ODD)

        for kind, name, namespace in ((POOL, "gold", ""), (TASK, "web", "default"), (TASK, "odd", "default")):
            found = await earlier.get(kind, name, namespace)
            assert is_within(before[name]["spec"], found["spec"])
        await site.change("web", spec={"replicas": 2})
        await soon(lambda: site.running("web") == 2, "web has what it was scaled to")
        assert (await earlier.get(ASSIGNMENT, old, "default"))["status"]["phase"] == "Running", "the first runs on"

        await site.change("odd", metadata={"labels": {"kept": "yes"}})
        with pytest.raises(ApiError, match=ODD):
            await site.change("odd", spec={"placement": {"architectures": ["arm64"]}})
        amd64 = {"architecture": "amd64", "url": "file:odd.zip", "sha256": "1" * 64}
        await site.change("odd", spec={"template": {"artifact": {"variants": [amd64]}}})
        await soon(lambda: site.running("odd") == 1, "the odd one runs once it is mended")
    finally:
        await site.end()


def is_within(part: Any, whole: Any) -> bool:
    """Whether all that `part` says is in `whole`, which may have defaults beside."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(name in whole and is_within(part[name], whole[name]) for name in part)
    if isinstance(part, list):
        return isinstance(whole, list) and len(part) == len(whole) and all(map(is_within, part, whole))
    return bool(part == whole)
