"""Ports of servers that are asked for and taken, and who has them."""

from collections.abc import Iterator, Sequence

from starlink.api.refusal import listed
from starlink.api.remedy import Way, way
from starlink.scheduling.ask import Ask
from starlink.scheduling.fleet import Fleet


def taken_ports(fleet: Fleet, ask: Ask, server: int) -> list[int]:
    """The asked ports that are taken on a server."""
    return [port for port in sorted(ask.load.ports) if server in fleet.ports.get(port, ())]


def with_holders(fleet: Fleet, ask: Ask, server: int) -> Iterator[str]:
    """Those, each with who has it; who was placed only now is not known by name."""
    for port in taken_ports(fleet, ask, server):
        holder = port_holder(fleet, port, fleet.names[server])
        yield f"{port} ({holder} has it)" if holder else str(port)


def without_ports(ask: Ask, taken: Sequence[int]) -> Way:
    """How to ask without these ports: those of a template may be picked by the agent, those of a driver may not."""
    fixed = any(port in ask.host_ports for port in taken)
    return way("DropHostPorts" if fixed else "AskAnyPort", value=listed(map(str, taken), " and "))


def port_holder(fleet: Fleet, port: int, server: str, but: str = "") -> str:
    """A task of which an instance, `but` the one with this UID, has a port on a server; "" if none is known."""
    there = (charge.load for uid, charge in fleet.charges.items() if charge.server == server and uid != but)
    return next((load.group for load in there if port in load.ports), "")
