"""Whether living drivers get the hostPorts that their task has now."""

from collections.abc import Iterator, Mapping

from starlink.api.assignment import Assignment
from starlink.planning.examined import Examined
from starlink.planning.in_place import instances, other_ports
from starlink.scheduling.explaining.ports import port_holder
from starlink.scheduling.fleet import Fleet

_MOST_NAMED = 3


def ports_taken(fleet: Fleet, examined: Examined) -> Mapping[str, str]:
    """For the instances of a task that are to have ports which others have on their servers, by UID, who has which.
    What is free is charged to the fleet, which is in a trial."""
    taken: dict[str, str] = {}
    for a in instances(examined):
        ports = other_ports(examined.task, a)
        if not ports or a.spec.server not in fleet.index:
            continue
        if held := list(_held(fleet, a, ports)):
            more = f" and {len(held) - _MOST_NAMED} more" if held[_MOST_NAMED:] else ""
            taken[a.uid] = f"{a.name} waits for {', '.join(held[:_MOST_NAMED])}{more} of {a.spec.server}"
        else:
            fleet.take_ports(fleet.index[a.spec.server], ports)
    return taken


def _held(fleet: Fleet, a: Assignment, ports: frozenset[int]) -> Iterator[str]:
    """The ports that others have."""
    charge, server = fleet.charges.get(a.uid), fleet.index[a.spec.server]
    own = charge.load.ports if charge is not None else frozenset()
    for port in sorted(ports):
        if fleet.ports.get(port, {}).get(server, 0) > (port in own):
            yield f"port {port} ({port_holder(fleet, port, a.spec.server, but=a.uid) or 'another'} has it)"
