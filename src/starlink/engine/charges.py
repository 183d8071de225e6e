"""The fleet of a world: every server with what is charged to it."""

from collections.abc import Mapping

from starlink.api import quantity
from starlink.api.assignment import Assignment
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.planning.health import Health
from starlink.planning.world import World
from starlink.scheduling.ask import Ask
from starlink.scheduling.fleet import Fleet, Node


def charged(world: World, health: Health) -> dict[str, list[Assignment]]:
    """The unfinished assignments of each server: charged until its agent says that they stopped, or it is gone."""
    found: dict[str, list[Assignment]] = {name: [] for name in world.servers}
    for assignments in world.assignments.values():
        for assignment in assignments:
            server = assignment.spec.server
            if not assignment.finished and not health.is_gone(server):
                found[server].append(assignment)
    return found


def fleet_of(world: World, pools: Mapping[str, str], health: Health, charges: Mapping[str, list[Assignment]]) -> Fleet:
    """The fleet that instances are placed on."""
    nodes = [_node(server, pools[name], world, health, charges[name]) for name, server in world.servers.items()]
    return Fleet(nodes, world.pools)


def _node(server: Server, pool: str, world: World, health: Health, charges: list[Assignment]) -> Node:
    requests = [assignment.spec.template.resources.requests for assignment in charges]
    its_pool = world.pools.get(pool)
    return Node(
        name=server.name,
        architecture=server.status.architecture,
        pool=pool,
        pool_architectures=its_pool.spec.architectures if its_pool else (),
        labels=server.metadata.labels,
        taints=server.spec.taints,
        ready=bool(server.status.architecture) and not health.is_suspect(server.name) and not server.declared_gone,
        schedulable=not server.spec.unschedulable and not server.metadata.deleting,
        cpu=quantity.millicores(server.status.allocatable.get("cpu", 0)),
        memory=quantity.count_bytes(server.status.allocatable.get("memory", 0)),
        used_cpu=sum(quantity.millicores(request.cpu) for request in requests),
        used_memory=sum(quantity.count_bytes(request.memory) for request in requests),
        used_ports=frozenset(port for assignment in charges for port in _ports(assignment)),
    )


def _ports(assignment: Assignment) -> list[int]:
    fixed = [port.port for port in assignment.spec.template.ports if port.port]
    return fixed + [endpoint.port for endpoint in assignment.status.endpoints]


def ask_of(task: Task, world: World, own: Mapping[str, int]) -> Ask:
    """What one instance of the task asks."""
    placement, template = task.spec.placement, task.spec.template
    pool = world.pools.get(placement.pool)
    return Ask(
        cpu=quantity.millicores(template.resources.requests.cpu),
        memory=quantity.count_bytes(template.resources.requests.memory),
        ports=frozenset(port.port for port in template.ports if port.port),
        architectures=task.architectures,
        pool=placement.pool,
        selector=placement.server_selector,
        tolerations=placement.tolerations,
        strategy=pool.spec.strategy if pool else "Spread",
        own=own,
    )
