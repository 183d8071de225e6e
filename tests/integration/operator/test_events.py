"""Events as they arrive: what repeats itself counts up, over the wire of a real server."""

import time
from typing import Any

import msgspec
import pytest

from starlink.api.kinds import EVENT, TASK
from starlink.api.meta import ObjectKey
from starlink.client.kube import Client
from starlink.planning.plan import RecordEvent
from starlink_operator.caches import Caches
from starlink_operator.writer import Writer

pytestmark = pytest.mark.on_both
KEY = ObjectKey("default", "web")


async def told(client: Client, *events: RecordEvent) -> list[tuple[Any, ...]]:
    writer = Writer(client, Caches(client, time.monotonic, time.time, lambda: 1.0), time.time, lambda: True)
    for event in events:
        await writer.write(event)
    found = [msgspec.json.decode(item) for item in (await client.list(EVENT, "default")).items]
    return sorted((one["reason"], one["message"], one["count"]) for one in found)


async def test_a_state_has_one_event_that_says_the_latest(client: Client) -> None:
    def lacks(what: str) -> RecordEvent:
        return RecordEvent(TASK, KEY, "uid", "Warning", "Unplaceable", what, lasting=True)

    assert await told(client, lacks("4 lack cpu"), lacks("5 lack cpu"), lacks("5 lack memory")) == [
        ("Unplaceable", "5 lack memory", 3)
    ]


async def test_each_deed_has_an_event_of_its_own(client: Client) -> None:
    def placed(what: str) -> RecordEvent:
        return RecordEvent(TASK, KEY, "uid", "Normal", "Placed", what)

    assert await told(client, placed("placed 1 on s1"), placed("placed 1 on s2"), placed("placed 1 on s1")) == [
        ("Placed", "placed 1 on s1", 2),
        ("Placed", "placed 1 on s2", 1),
    ]
