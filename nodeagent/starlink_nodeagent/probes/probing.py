"""The probes of one run: startup until it succeeds, then readiness and liveness until the run is over."""

import asyncio
from collections.abc import Callable

from starlink.api.template import Probe, Probes
from starlink_nodeagent.probes.probes import Target, follow
from starlink_nodeagent.runtimes.contract import Exit

GiveUp = Callable[[Exit], None]
"""Called with how a run ends that a probe gives up."""


async def attend(
    spec: Probes, target: Target, started: Callable[[], None], readiness: Callable[[bool, str], None], give_up: GiveUp
) -> None:
    """Probes until cancelled; without readiness and liveness it returns once it has `started`.

    `readiness` is told whether it is ready, and why not.
    """
    if spec.startup is not None:
        await _success(spec.startup, target, give_up)
    started()
    async with asyncio.TaskGroup() as group:
        if spec.readiness is not None:
            group.create_task(follow(spec.readiness, target, readiness))
        if spec.liveness is not None:
            group.create_task(follow(spec.liveness, target, _unwell(give_up, "LivenessFailed", "liveness")))


async def _success(startup: Probe, target: Target, give_up: GiveUp) -> None:
    """Waits until the startup probe has succeeded. When it fails for good the run is given up, whose end ends this."""
    succeeded = asyncio.Event()
    unwell = _unwell(give_up, "StartupFailed", "startup")

    def tell(well: bool, why: str) -> None:
        if well:
            succeeded.set()
        else:
            unwell(well, why)

    following = asyncio.create_task(follow(startup, target, tell))
    try:
        await succeeded.wait()
    finally:
        following.cancel()


def _unwell(give_up: GiveUp, reason: str, probe: str) -> Callable[[bool, str], None]:
    """A probe's listener that gives the run up when the probe fails for good."""

    def tell(well: bool, why: str) -> None:
        if not well:
            give_up(Exit(None, "", reason, f"the {probe} probe failed: {why}"))

    return tell
