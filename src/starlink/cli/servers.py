"""Servers in a table: how each is, whether new instances come, and what is taken. Pure."""

from collections.abc import Sequence

import msgspec

from starlink.api import conditions, quantity
from starlink.api.server import Server
from starlink.apiserver.requests.reading.cells import age
from starlink.cli import tones
from starlink.cli.screen import Screen
from starlink.cli.tables import GAP, Column, layout, one_line

_COLUMNS = (
    Column("NAME", 0, 24), Column("STATE"), Column("POOL", 1), Column("ARCH", 2), Column("CPU", 1), Column("MEMORY", 1),
    Column("INSTANCES", 1), Column("ADDRESS", 2), Column("AGE", 3),
)  # fmt: skip
_TOLD = "STATE"
_BY_REASON = {
    "AgentHeard": "ready",
    "HeartbeatMissed": "not heard",
    "Registering": "never heard yet",
    "StormBrake": "not heard (storm brake)",
    "DeclaredGone": "declared gone",
    "Draining": "being removed",
    "PoolNotFound": "ready, no such pool",
}


def render(found: Sequence[Server], screen: Screen, now: float) -> str:
    """A line a server, by name."""
    servers = sorted(found, key=lambda server: server.name)
    lines = [[one_line(cell) for cell in _cells(server, now)] for server in servers]
    blank = "  " if screen.is_terminal else ""
    room = None if screen.width is None else screen.width - len(blank)
    laid = layout(_COLUMNS, lines, room, screen.ellipsis)
    titles = GAP.join(laid.cells([column.title for column in _COLUMNS])).rstrip()
    text = [blank + screen.title(titles, "header")]
    for server, line in zip(servers, lines, strict=True):
        tone = tones.of(msgspec.to_builtins(server))
        mark = f"{screen.mark(tone)} " if tone and screen.is_terminal else blank
        columns = zip(laid.kept(_COLUMNS), laid.cells(line), strict=True)
        cells = [screen.paint(cell, tone if column.title == _TOLD else None) for column, cell in columns]
        text.append((mark + GAP.join(cells)).rstrip())
    return "".join(f"{line}\n" for line in text)


def _cells(server: Server, now: float) -> Sequence[str]:
    status = server.status
    address = next((one.address for one in status.addresses if one.type == "InternalIP"), "")
    return (
        server.name, _state(server), status.pool or server.spec.pool, status.architecture, _share(server, "cpu"),
        _share(server, "memory"), str(status.allocated.get("assignments", "")), address,
        age(server.metadata.creation_timestamp, now),
    )  # fmt: skip


def _state(server: Server) -> str:
    """In words; that it is cordoned beside how it is."""
    ready = conditions.find(server.status.conditions, conditions.READY)
    reason = ready.reason if ready else "Registering"
    if server.metadata.deleting:
        return _BY_REASON["Draining"]
    told = "ready" if reason == "Cordoned" else _BY_REASON.get(reason, reason)
    return f"{told}, cordoned" if server.spec.unschedulable else told


def _share(server: Server, resource: str) -> str:
    """`2 of 8`; nothing where the agent has not said how much there is."""
    there = server.status.allocatable.get(resource)
    if there is None:
        return ""
    taken = server.status.allocated.get(resource, 0)
    try:
        return f"{quantity.format_amount(resource, quantity.amount(resource, taken))} of {there}"
    except ValueError:  # a status may hold what anybody wrote there
        return f"{taken} of {there}"
