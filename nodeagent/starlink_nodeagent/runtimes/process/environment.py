"""The environment of an instance. Pure: nothing of the agent's own leaks in but PATH."""

from collections.abc import Mapping

from starlink.api.template import Template

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Of every instance, whatever the shell had that the agent was started from."""
RUN_MARKER = "STARLINK_RUN"
"""In the environment of every process of a run, and first in it: `<uid>/<run>`. With the run's user it is how the
agent knows its own."""


def environment(
    template: Template,
    names: Mapping[str, str],
    ports: Mapping[str, int],
    run: str,
    path: str,
    home: str,
    user: str,
) -> dict[str, str]:
    """`names` are STARLINK_* facts such as TASK and SLOT; `ports` numbers by port name."""
    variables = {RUN_MARKER: run, "PATH": path, "HOME": home, "LANG": "C.UTF-8", "USER": user, "LOGNAME": user}
    variables.update({entry.name: entry.value for entry in template.env})
    numbers = [ports[port.name] for port in template.ports]
    if numbers:
        variables["PORT"] = str(numbers[0])
    for port in template.ports:
        variables[port_variable(port.name)] = str(ports[port.name])
    variables.update({f"STARLINK_{name}": value for name, value in names.items()})
    variables[RUN_MARKER] = run
    return variables


def port_variable(name: str) -> str:
    """The variable that holds the number of a named port."""
    return f"PORT_{name.upper().replace('-', '_')}"
