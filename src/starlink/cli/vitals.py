"""Whether the parts of a standalone StarLink act, and not only run.

The API server acts when it answers, the operator and an agent when they renew their Leases. The time of a renewal is
believed only when it is of the last seconds: else the machine may have slept, or its clock been set, and the next
renewal is waited for. So a part that is well is never called silent, and one that hangs is within PATIENCE_SECONDS.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from starlink.api.timestamp import told_time
from starlink.cli import standing
from starlink.cli.parts import APISERVER, OPERATOR, Part
from starlink.cli.standing import Beat
from starlink.client.errors import ClientError
from starlink.client.kube import Client
from starlink_nodeagent.server.heartbeat import RENEW_SECONDS as AGENTS_SECONDS
from starlink_operator.leadership import RENEW_SECONDS as LEADERS_SECONDS

ANSWER_SECONDS = 5.0
"""How long the API server has for an answer."""
PATIENCE_SECONDS = AGENTS_SECONDS + ANSWER_SECONDS
"""The longest between two renewals of a part that is well: the pause between them, and a slow answer."""
_LATE_SECONDS = 2.0
_LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of a part. `trouble` is why the API server gave no good answer. `first` is its Lease when it was
    first looked at, `age` the seconds since its renewal by the clock of now, and `last` the Lease at the last look;
    None of a part that renews none, or where nobody could ask."""

    part: Part
    trouble: str = ""
    first: Beat | None = None
    last: Beat | None = None
    age: float | None = None


def verdict(sight: Sight) -> str:
    """What is wrong with a part, in words that go on after its name; "" when it acts. Pure."""
    part = sight.part
    if not part.memory:
        return "is not running"
    if part.stopped:
        return f"is stopped by a signal; `kill -CONT {part.pid}` lets it go on"
    if sight.trouble:
        return f"gives no good answer: {sight.trouble}"
    if sight.last is None or sight.last != sight.first or _is_fresh(part, sight.age):
        return ""
    whose = f"the Lease of server {part.server}" if part.server else "the Lease of the operators' leader"
    if not sight.last.renewed:
        return f"does not act: {whose} is not there"
    if not sight.last.holder:
        return f"does not act: nobody holds {whose}"
    held = "" if part.server else f", which {sight.last.holder} holds,"
    return f"does not act: {whose}{held} was last renewed at {sight.last.renewed}, and not while it was waited for"


def is_untold(sight: Sight) -> bool:
    """Whether nobody could say if a part acts that runs. Pure."""
    part = sight.part
    return bool(part.server or part.name == OPERATOR) and sight.last is None and not verdict(sight)


def _is_fresh(part: Part, age: float | None) -> bool:
    every = AGENTS_SECONDS if part.server else LEADERS_SECONDS
    return age is not None and 0 <= age <= every + _LATE_SECONDS


async def look(client: Client, parts: Sequence[Part], now: Callable[[], float]) -> Sequence[Sight]:
    """Looks at the parts, and for up to PATIENCE_SECONDS on while one is silent. `now` gives epoch seconds."""
    sights = [Sight(part) for part in parts]
    if any(part.name == APISERVER and verdict(Sight(part)) for part in parts):
        return sights
    try:
        await client.raw("GET", "/readyz")
        sights = [await _first(client, sight, now) for sight in sights]
        for _ in range(int(PATIENCE_SECONDS / _LOOK_SECONDS)):
            if not any(sight.last is not None and verdict(sight) for sight in sights):
                break
            await asyncio.sleep(_LOOK_SECONDS)
            sights = [await _again(client, sight) for sight in sights]
    except ClientError as error:
        return troubled(sights, error)
    return sights


def troubled(sights: Sequence[Sight], error: ClientError) -> Sequence[Sight]:
    """The same after the API server has given no good answer: of what the others do nothing is known then. Pure."""
    why = " ".join(str(error).split())  # /readyz answers in lines
    return [Sight(one.part, why if one.part.name == APISERVER else "") for one in sights]


async def _first(client: Client, sight: Sight, now: Callable[[], float]) -> Sight:
    beat = await _beat(client, sight.part)
    renewed = told_time(beat.renewed) if beat is not None else None
    return replace(sight, first=beat, last=beat, age=None if renewed is None else now() - renewed)


async def _again(client: Client, sight: Sight) -> Sight:
    if not verdict(sight) or sight.last is None:
        return sight
    return replace(sight, last=await _beat(client, sight.part))


async def _beat(client: Client, part: Part) -> Beat | None:
    """The Lease that the part renews, None for one that renews none, or can't. Raises ClientError."""
    if not part.memory or part.stopped:
        return None
    if part.server:
        return await standing.beat_of_server(client, part.server)
    return await standing.beat_of_leader(client) if part.name == OPERATOR else None
