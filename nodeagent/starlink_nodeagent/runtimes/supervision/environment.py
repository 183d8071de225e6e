"""The environment of a run and of its probes. Pure: nothing of the agent's own leaks in but PATH."""

from starlink_nodeagent.layout import WORK
from starlink_nodeagent.processes.procfs import RUN_MARKER
from starlink_nodeagent.runtimes.contract import RunContext

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Of every instance, whatever the shell had that the agent was started from."""


def environment(run: RunContext, path: str) -> dict[str, str]:
    """All variables, the marker of the run first; `path` is PATH unless the template has another."""
    assert run.user is not None
    user, template = run.user.name, run.template
    home = str(run.directory / WORK)
    variables = {RUN_MARKER: run.id, "PATH": path, "HOME": home, "LANG": "C.UTF-8", "USER": user, "LOGNAME": user}
    variables.update({entry.name: entry.value for entry in template.env})
    numbers = [run.ports[port.name] for port in template.ports]
    if numbers:
        variables["PORT"] = str(numbers[0])
    for port in template.ports:
        variables[port_variable(port.name)] = str(run.ports[port.name])
    facts = {
        "TASK": run.task,
        "NAMESPACE": run.namespace,
        "ASSIGNMENT": run.name,
        "SLOT": run.slot,
        "SERVER": run.server,
    }
    variables.update({f"STARLINK_{name}": value for name, value in facts.items()})
    variables[RUN_MARKER] = run.id
    return variables


def port_variable(name: str) -> str:
    """The variable that holds the number of a named port."""
    return f"PORT_{name.upper().replace('-', '_')}"
