"""What of a template can't be started as a driver. Pure."""

from collections.abc import Iterable

from starlink.api import shapes
from starlink.api.template import Driver, Template
from starlink_nodeagent.runtimes.driver.catalogue import Catalogue

TOLD_BY = "SIGHUP"


def fault(template: Template, catalogue: Catalogue) -> str:
    """The first field that can't be used, with its value and what would be right; "" when there is none. Whether there
    is a driver at all, `api.template_faults` has judged."""
    assert template.driver is not None
    if template.stop.signal == TOLD_BY:
        return f"template.stop.signal: {TOLD_BY!r} tells a driver of a change; write SIGTERM"
    strange = {
        "command": template.command,
        "args": template.args,
        "workingDir": template.working_dir not in ("", "."),
        "artifact": template.artifact,
    }
    if field := next((name for name, value in strange.items() if value), ""):
        return f"template.{field}: a driver has none; leave it out"
    return _of_driver(template.driver, catalogue)


def _of_driver(driver: Driver, catalogue: Catalogue) -> str:
    declared = catalogue.get(driver.name)
    if declared is None:
        return f"template.driver.name: {driver.name!r} is no driver of this agent; {_one_of(catalogue)}"
    operation = declared.operations.get(driver.operation)
    if operation is None:
        told = _one_of(declared.operations)
        return f"template.driver.operation: {driver.operation!r} is no operation of {driver.name}; {told}"
    return shapes.fault(operation.spec, driver.spec, "template.driver.spec")


def _one_of(names: Iterable[str]) -> str:
    known = ", ".join(sorted(names))
    return f"write one of {known}" if known else "install StarLink whole"
