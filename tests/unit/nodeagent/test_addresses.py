"""The address from which the API is dialled."""

import socket

import pytest

from starlink.api.assignment import AssignmentStatus, Endpoint
from starlink.client.errors import Conflict, Forbidden, ServerTrouble, Unauthorized, Unreachable, Untrusted
from starlink.http.addresses import primary_address
from starlink_nodeagent.journal.record import Record
from starlink_nodeagent.reporting.report import is_news
from starlink_nodeagent.server import addresses, refusal


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_it_is_loopback_where_the_api_is_on_loopback(host: str) -> None:
    assert await addresses.towards(host, 1) in ("127.0.0.1", "::1")


async def test_it_is_that_of_the_network_on_which_the_api_is() -> None:
    own = primary_address()
    if not own:
        pytest.skip("this machine has no address but loopback")
    assert await addresses.towards(own, 1) == own


async def test_the_first_way_that_there_is_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(family, 2, 17, "", (host, 1)) for family, host in ((10, "2001:db8::1"), (2, "127.0.0.1"))]
    monkeypatch.setattr("asyncio.base_events.socket.getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(addresses, "_source", lambda family, address: "" if family == socket.AF_INET6 else "10.0.0.7")
    assert await addresses.towards("api.example", 1) == "10.0.0.7"


async def test_without_a_way_it_is_loopback_for_now() -> None:
    assert await addresses.towards("nowhere.invalid", 1) == "127.0.0.1"


def test_an_instance_of_another_address_is_news(record: Record) -> None:
    heard = AssignmentStatus(phase="Running", endpoints=(Endpoint(name="http", address="127.0.0.1", port=80),))
    assert is_news(record, heard, "10.0.0.7") and not is_news(record, heard, "127.0.0.1")


@pytest.fixture
def record() -> Record:
    """One that runs."""
    from starlink.api.template import Template

    return Record(
        uid="u", namespace="default", name="web", task="web", slot="0", cluster="c", resource_version=1, generation=1,
        template=Template(), phase="Running",
    )  # fmt: skip


def test_only_what_a_person_has_to_mend_is_given_up() -> None:
    refused = (Untrusted("x"), Unauthorized(401, "", "gone"), Forbidden(403, "", "no"))
    assert all("starlink server add s2" in refusal.reason(error, "s2") for error in refused)
    passing = (Unreachable("x"), ServerTrouble(503, "", "later"), Conflict(409, "", "other"))
    assert not any(refusal.reason(error, "s2") for error in passing)
