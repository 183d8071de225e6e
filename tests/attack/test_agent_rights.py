"""A token of an agent in a stranger's hands: what it can write, and what it can't, over the wire.

The stranger has the token of s1, on which `on-s1` runs. Server s2, `on-s2` and all that the operator says are not its.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.integration.apiserver.test_revocation import (
    CSR,
    NAMESPACE,
    acting,
    add_account,
    asked,
    assignment,
    token_of,
)
from tests.integration.conftest import Wire

from starlink.api.kinds import ASSIGNMENT, EVENT, LEASE, SERVER
from starlink.client.errors import ApiError, Forbidden, NotFound
from starlink.client.kube import Client

FACTS = {"kubernetes.io/arch": "arm64", "kubernetes.io/os": "linux", "kubernetes.io/hostname": "box"}
EVENTS_V1 = "/apis/events.k8s.io/v1/namespaces/default/events"
OPERATOR = {"reportingComponent": "starlink-operator", "reportingInstance": "starlink-operator"}


@pytest.fixture
async def agent(wire: Wire, client: Client) -> AsyncIterator[Client]:
    """The agent of s1, which has no Server yet, beside s2."""
    for server in ("s1", "s2"):
        await add_account(client, server)
        await client.create(ASSIGNMENT, assignment(f"on-{server}", server), "default")
    await client.create(SERVER, {"metadata": {"name": "s2"}})
    async with acting(wire, token=await token_of(client, "s1")) as made:
        yield made


async def refused(work: Any, *words: str) -> None:
    with pytest.raises(ApiError) as error:
        await work
    assert error.value.code in (403, 422), f"{error.value.code} {error.value}"
    for word in words:
        assert word in str(error.value), f"{word!r} is not said in: {error.value}"


# Its Server


async def test_an_agent_registers_with_facts_alone(agent: Client) -> None:
    named = {"name": "s1", "labels": FACTS, "finalizers": ["starlink.dev/drained"]}
    made = await agent.create(SERVER, {"metadata": named, "spec": {}})
    assert made["metadata"]["labels"] == FACTS and not made["spec"].get("pool")


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"spec": {"pool": "gold"}}, "spec.pool"),
        ({"spec": {"unschedulable": True}}, "spec.unschedulable"),
        ({"spec": {"taints": [{"key": "mine", "effect": "NoExecute"}]}}, "spec.taints"),
        ({"labels": {"example.com/gpu": "a100"}}, "metadata.labels[example.com/gpu]"),
        ({"labels": {**FACTS, "topology.kubernetes.io/zone": "z"}}, "metadata.labels[topology.kubernetes.io/zone]"),
        ({"annotations": {"starlink.dev/gone": "true"}}, "metadata.annotations"),
        ({"finalizers": ["example.com/stay"]}, "metadata.finalizers"),
        ({"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "y"}]}, "metadata.ownerReferences"),
    ],
)  # fmt: skip
async def test_an_agent_says_nothing_that_people_say(agent: Client, part: dict[str, Any], field: str) -> None:
    spec = part.pop("spec", {})
    body = {"metadata": {"name": "s1", **part}, "spec": spec}
    await refused(agent.create(SERVER, body), field, "starlink server add s1")
    apply = {"apiVersion": SERVER.api_version, "kind": SERVER.kind, **body}
    path, headers = f"{SERVER.path}/servers/s1", {"Content-Type": "application/apply-patch+yaml"}
    query = {"fieldManager": "a"}
    await refused(agent.raw("PATCH", path, body=apply, headers=headers, query=query), field)
    with pytest.raises(NotFound):
        await agent.get(SERVER, "s1")


async def test_an_agent_adopts_what_people_made_and_leaves_it_so(client: Client, agent: Client) -> None:
    ours = {"metadata": {"name": "s1", "labels": {"zone": "a", "kubernetes.io/hostname": "ours"}}}
    await client.create(SERVER, {**ours, "spec": {"pool": "silver"}})
    for patch in (
        {"spec": {"pool": "gold"}},
        {"spec": {"pool": None}},
        {"metadata": {"labels": {"zone": "b"}}},
        {"metadata": {"labels": {"zone": None}}},
        {"metadata": {"labels": {"kubernetes.io/hostname": "gpu-1"}}},
        {"metadata": {"annotations": {"starlink.dev/gone": "true"}}},
        {"metadata": {"finalizers": ["example.com/stay"]}},
    ):
        await refused(agent.patch(SERVER, "s1", patch))
    await agent.patch(SERVER, "s1", {"metadata": {"labels": {"kubernetes.io/arch": "arm64"}}})
    found = await client.get(SERVER, "s1")
    assert found["metadata"]["labels"] == {"zone": "a", "kubernetes.io/hostname": "ours", "kubernetes.io/arch": "arm64"}
    assert found["spec"]["pool"] == "silver" and "finalizers" not in found["metadata"]


@pytest.mark.parametrize("field", ["pool", "allocated", "conditions", "observedGeneration"])
async def test_an_agent_writes_its_own_part_of_the_status(client: Client, agent: Client, field: str) -> None:
    await agent.create(SERVER, {"metadata": {"name": "s1"}})
    moment = "2030-01-01T00:00:00Z"
    ready = {"type": "Ready", "status": "True", "reason": "X", "message": "", "lastTransitionTime": moment}
    values: dict[str, Any] = {
        "pool": "gold", "allocated": {"cpu": "1"}, "conditions": [ready], "observedGeneration": 7,
    }  # fmt: skip
    await refused(
        agent.patch(SERVER, "s1", {"status": {field: values[field]}}, subresource="status"), f"status.{field}"
    )
    facts = {"machineID": "m", "architecture": "arm64", "capacity": {"cpu": "4"}, "orphans": ["a/b"]}
    await agent.patch(SERVER, "s1", {"status": facts}, subresource="status")
    assert (await client.get(SERVER, "s1"))["status"] == facts


async def test_a_report_changes_the_status_alone(client: Client, agent: Client) -> None:
    before = await client.get(ASSIGNMENT, "on-s1", "default")
    more = {"labels": {"a": "b"}, "finalizers": ["example.com/stay"], "annotations": {"a": "b"}}
    patch = {"metadata": more, "spec": {"desired": "Stopped"}, "status": {"phase": "Running"}}
    await agent.patch(ASSIGNMENT, "on-s1", patch, "default", subresource="status")
    after = await client.get(ASSIGNMENT, "on-s1", "default")
    assert after["status"] == {"phase": "Running"} and after["spec"] == before["spec"]
    assert not {"labels", "finalizers", "annotations"} & set(after["metadata"])


# Who set which field: what a later server-side apply takes away

APPLY = {"Content-Type": "application/apply-patch+yaml"}


async def applied(client: Client, labels: dict[str, str]) -> None:
    """What people apply to s1."""
    config = {"apiVersion": SERVER.api_version, "kind": SERVER.kind, "metadata": {"name": "s1", "labels": labels}}
    path, query = f"{SERVER.path}/servers/s1", {"fieldManager": "people"}
    await client.raw("PATCH", path, body=config, headers=APPLY, query=query)


@pytest.mark.parametrize("subresource", ["", "status"])
@pytest.mark.parametrize("brought", [[], [{}], "one less"])
async def test_an_agent_leaves_who_set_which_field(
    client: Client, agent: Client, subresource: str, brought: Any
) -> None:
    await applied(client, {"zone": "a"})
    await agent.patch(SERVER, "s1", {"status": {"machineID": "m"}}, subresource="status")
    found = await agent.get(SERVER, "s1")
    if brought == "one less":
        brought = [one for one in found["metadata"]["managedFields"] if one["manager"] != "people"]
    await refused(
        agent.patch(SERVER, "s1", {"metadata": {"managedFields": brought}}, subresource=subresource),
        "metadata.managedFields",
    )
    whole = {**found, "metadata": {**found["metadata"], "managedFields": brought}}
    await refused(agent.raw("PUT", f"{SERVER.path}/servers/s1/status", body=whole), "metadata.managedFields")
    found["status"] = {"machineID": "n"}
    await agent.raw("PUT", f"{SERVER.path}/servers/s1/status", body=found)
    await applied(client, {"other": "b"})
    after = await client.get(SERVER, "s1")
    assert after["metadata"]["labels"] == {"other": "b"} and after["status"] == {"machineID": "n"}


async def test_an_agent_leaves_who_set_which_field_of_an_assignment(client: Client, agent: Client) -> None:
    before = (await client.get(ASSIGNMENT, "on-s1", "default"))["metadata"]["managedFields"]
    patch = {"metadata": {"managedFields": [{}]}, "status": {"phase": "Running"}}
    await refused(agent.patch(ASSIGNMENT, "on-s1", patch, "default", subresource="status"), "metadata.managedFields")
    await agent.patch(ASSIGNMENT, "on-s1", {"status": {"phase": "Running"}}, "default", subresource="status")
    after = (await client.get(ASSIGNMENT, "on-s1", "default"))["metadata"]["managedFields"]
    assert all(one in after for one in before)


@pytest.mark.parametrize("manager", ["starlink-operator", "people", "kubectl"])
async def test_an_agent_writes_under_nobody_elses_name(client: Client, agent: Client, manager: str) -> None:
    await applied(client, {"zone": "a"})
    before = await client.get(SERVER, "s1")
    config = {"apiVersion": SERVER.api_version, "kind": SERVER.kind, "metadata": {"name": "s1"}}
    facts = {**config, "status": {"machineID": "m"}}
    path, forced = f"{SERVER.path}/servers/s1/status", {"force": "true"}
    await refused(
        agent.raw("PATCH", path, body=facts, headers=APPLY, query={"fieldManager": manager, **forced}), "fieldManager"
    )
    merge = {"Content-Type": "application/merge-patch+json"}
    for headers, query in ((merge, {"fieldManager": manager}), ({**merge, "User-Agent": f"{manager}/1"}, {})):
        await refused(agent.raw("PATCH", path, body=facts, headers=headers, query=query), "fieldManager")
    assert await client.get(SERVER, "s1") == before
    own = {"fieldManager": "starlink-agent-s1", **forced}
    await agent.raw("PATCH", path, body=facts, headers=APPLY, query=own)
    assert (await client.get(SERVER, "s1"))["status"] == {"machineID": "m"}


# Its Lease and its certificate


async def test_an_agents_lease_is_its_own(agent: Client) -> None:
    held = {"metadata": {"name": "s1"}, "spec": {"holderIdentity": "s1"}}
    await refused(agent.create(LEASE, {**held, "spec": {"holderIdentity": "s2"}}, NAMESPACE), "spec.holderIdentity")
    stay = {"metadata": {"name": "s1", "finalizers": ["example.com/stay"]}}
    await refused(agent.create(LEASE, stay, NAMESPACE), "metadata.finalizers")
    await agent.create(LEASE, held, NAMESPACE)
    await refused(agent.patch(LEASE, "s1", {"metadata": {"labels": {"a": "b"}}}, NAMESPACE), "metadata.labels")
    await agent.patch(LEASE, "s1", {"spec": {"leaseDurationSeconds": 15}}, NAMESPACE)


async def test_an_agent_asks_for_a_certificate_in_its_own_name(client: Client, agent: Client) -> None:
    await refused(agent.create(CSR, asked("s2", "other")[0]), "spec.request", "starlink-servers:s1")
    await refused(agent.create(CSR, asked("s1", "o", signerName="kubernetes.io/kube-apiserver-client")[0]), "signer")
    body = asked("s1", "stays")[0]
    body["metadata"]["finalizers"] = ["example.com/stay"]
    await refused(agent.create(CSR, body), "metadata.finalizers")
    await agent.create(CSR, asked("s1", "mine")[0])
    await agent.get(CSR, "mine")
    await client.create(CSR, asked("s2", "theirs")[0])
    with pytest.raises(Forbidden):
        await agent.get(CSR, "theirs")


async def test_an_agents_token_tells_no_secrets(agent: Client) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/s1/token"
    for name in ("there", "not-there"):
        spec = {"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": name}}
        await refused(agent.raw("POST", path, body={"spec": spec}), "spec.boundObjectRef")
    assert (await agent.request_token(NAMESPACE, "s1", 600))[0]


# Events


def about(kind: str, name: str, namespace: str = "default", **more: Any) -> dict[str, Any]:
    return {"apiVersion": ASSIGNMENT.api_version, "kind": kind, "name": name, "namespace": namespace, **more}


def event(name: str, regarding: dict[str, Any], **more: Any) -> dict[str, Any]:
    """As an agent of s1 sends it."""
    told = {
        "metadata": {"name": name}, "involvedObject": regarding, "type": "Warning", "reason": "ExitCode",
        "message": "it ended", "source": {"component": "starlink-agent", "host": "s1"},
        "reportingComponent": "starlink-agent", "reportingInstance": "s1",
    }  # fmt: skip
    return {**told, **more}


def new_event(name: str, regarding: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The same in the words of events.k8s.io/v1."""
    told = {
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": name, "namespace": "default"},
        "regarding": regarding, "type": "Warning", "reason": "ExitCode", "note": "it ended", "action": "Ended",
        "eventTime": "2030-01-01T00:00:00.000000Z", "reportingController": "starlink-agent", "reportingInstance": "s1",
    }  # fmt: skip
    return {**told, **more}


async def test_an_agents_events_are_of_its_own(agent: Client) -> None:
    await agent.create(EVENT, event("on-s1.1", about("Assignment", "on-s1")), "default")
    await agent.create(EVENT, event("s1.1", about("Server", "s1", "")), "default")
    await agent.raw("POST", EVENTS_V1, body=new_event("on-s1.2", about("Assignment", "on-s1")))
    await agent.patch(EVENT, "on-s1.1", {"count": 2, "message": "again"}, "default")


FORGED: list[tuple[dict[str, Any], str]] = [
    (event("on-s2.1", about("Assignment", "on-s2")), "involvedObject"),
    (event("none.1", about("Assignment", "none")), "involvedObject"),
    (event("s2.1", about("Server", "s2", "")), "involvedObject"),
    (event("web.1", about("Task", "web")), "involvedObject"),
    (event("on-s1.1", {**about("Assignment", "on-s1"), "apiVersion": "v1"}), "involvedObject"),
    (event("on-s1.1", about("Assignment", "on-s1", uid="another")), "involvedObject.uid"),
    (event("web.1", about("Assignment", "on-s1")), "metadata.name"),
    (event("on-s1.1", about("Assignment", "on-s1"), reportingInstance="s2"), "reportingInstance"),
    (event("on-s1.1", about("Assignment", "on-s1"), source={"host": "s2"}), "source.host"),
    (event("on-s1.1", about("Assignment", "on-s1"), source={}, reportingInstance=""), "reportingInstance"),
    (event("on-s1.1", about("Assignment", "on-s1"), reportingComponent="starlink-operator"), "reportingComponent"),
    (event("on-s1.1", about("Assignment", "on-s1"), source={"component": "starlink-operator"}), "source.component"),
    (event("on-s1.1", about("Assignment", "on-s1"), related=about("Task", "web")), "related"),
    (event("on-s1.1", about("Assignment", "on-s1"), message="x" * 100_000), "8192"),
    (event("on-s1.1", about("Assignment", "on-s1")) | {"metadata": {"name": "on-s1.1", "finalizers": ["a.b/c"]}}, "metadata.finalizers"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "field"), FORGED)
async def test_an_agent_forges_no_event(agent: Client, body: dict[str, Any], field: str) -> None:
    await refused(agent.create(EVENT, body, "default"), field)


async def test_nor_by_the_newer_api_nor_from_another_namespace(agent: Client) -> None:
    for body, field in (
        (new_event("on-s2.1", about("Assignment", "on-s2")), "regarding"),
        (new_event("on-s1.1", about("Assignment", "on-s1"), reportingInstance="s2"), "reportingInstance"),
        (new_event("on-s1.1", about("Assignment", "on-s1"), reportingController="starlink-operator"), "reportingController"),
    ):  # fmt: skip
        await refused(agent.raw("POST", EVENTS_V1, body=body), field)
    elsewhere = new_event("on-s1.1", about("Assignment", "on-s1"))
    elsewhere["metadata"]["namespace"] = "kube-system"
    await refused(agent.raw("POST", EVENTS_V1.replace("default", "kube-system"), body=elsewhere), "regarding")


async def test_an_agent_overwrites_nobodys_event(client: Client, agent: Client) -> None:
    theirs = event("on-s1.9", about("Assignment", "on-s1"), source={}, **OPERATOR)
    await client.create(EVENT, theirs, "default")
    before = await client.get(EVENT, "on-s1.9", "default")
    json_patch = {"Content-Type": "application/json-patch+json"}
    test = [{"op": "test", "path": "/message", "value": "a guess"}]
    path = "/api/v1/namespaces/default/events/on-s1.9"
    await refused(agent.raw("PATCH", path, body=test, headers=json_patch))  # nor tries what is in it
    for patch in ({}, {"message": "all is well"}, {"source": {"host": "s1"}, "reportingInstance": "s1"}):
        await refused(agent.patch(EVENT, "on-s1.9", patch, "default"))
        await refused(agent.raw("PATCH", f"{EVENTS_V1}/on-s1.9", body=patch, headers=_MERGE))
    with pytest.raises(Forbidden):
        await agent.raw("PUT", path, body=before)
    assert await client.get(EVENT, "on-s1.9", "default") == before


async def test_an_agents_event_does_not_become_anothers(client: Client, agent: Client) -> None:
    await agent.create(EVENT, event("on-s1.1", about("Assignment", "on-s1")), "default")
    for patch, field in (
        ({"involvedObject": {"name": "on-s2"}}, "involvedObject"),
        ({"involvedObject": {"kind": "Task"}}, "involvedObject"),
        ({"reportingInstance": "s2"}, "reportingInstance"),
        ({"reportingComponent": "starlink-operator"}, "reportingComponent"),
        ({"metadata": {"labels": {"a": "b"}}}, "metadata.labels"),
    ):
        await refused(agent.patch(EVENT, "on-s1.1", patch, "default"), field)
    await client.delete(ASSIGNMENT, "on-s1", "default")
    await agent.patch(EVENT, "on-s1.1", {"count": 2}, "default")


async def test_an_apply_makes_no_event_of_anothers(agent: Client) -> None:
    headers = {"Content-Type": "application/apply-patch+yaml"}
    body = {"apiVersion": "v1", "kind": "Event", **event("on-s2.1", about("Assignment", "on-s2"))}
    path = "/api/v1/namespaces/default/events/on-s2.1"
    await refused(agent.raw("PATCH", path, body=body, headers=headers, query={"fieldManager": "a"}), "involvedObject")


async def test_people_and_the_operator_are_not_bound_by_it(client: Client) -> None:
    await client.create(SERVER, {"metadata": {"name": "s3", "labels": {"a": "b"}}, "spec": {"pool": "gold"}})
    with contextlib.suppress(NotFound):
        await client.create(EVENT, event("web.1", about("Task", "web"), source={}, **OPERATOR), "default")
    assert msgspec.json.decode(await client.raw("GET", "/api/v1/namespaces/default/events"))["items"]


_MERGE = {"Content-Type": "application/merge-patch+json"}
