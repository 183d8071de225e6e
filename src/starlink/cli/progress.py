"""What becomes of what was applied: asked of the API, and waited for."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT, SERVER, TASK
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.client.kube import Client


class NotReached(Exception):
    """What was waited for did not come; says what, and what the tasks say of it."""


class Progress:
    """The tasks of one namespace. `seconds` is how long each is waited for. All methods raise ClientError."""

    def __init__(self, client: Client, namespace: str, seconds: float) -> None:
        self._client = client
        self._namespace = namespace
        self._seconds = seconds

    async def ready_servers(self) -> int:
        """How many servers are ready."""
        servers = [msgspec.json.decode(item, type=Server) for item in (await self._client.list(SERVER)).items]
        return sum(any(c.type == "Ready" and c.status == "True" for c in s.status.conditions) for s in servers)

    async def assignments(self, task: str) -> Sequence[Assignment]:
        """A task's, by name."""
        listing = await self._client.list(ASSIGNMENT, self._namespace, label_selector=f"starlink.dev/task={task}")
        return sorted((msgspec.json.decode(item, type=Assignment) for item in listing.items), key=lambda a: a.name)

    async def condition(self, task: str, type_: str) -> bool:
        """Whether a condition of a task is True."""
        return any(c.type == type_ and c.status == "True" for c in (await self._task(task)).status.conditions)

    async def until_ready(self, task: str, count: int) -> None:
        """Waits until so many replicas of a task are wanted and ready. Raises NotReached."""

        async def so() -> bool:
            found = await self._task(task)
            ready = found.status.ready == count == found.status.desired
            return (
                ready
                and found.status.observed_generation == found.metadata.generation
                and await self.condition(task, "Ready")
            )

        await self.until(so, f"{task} has not {count} ready replicas")

    async def until(self, condition: Callable[[], Awaitable[bool]], otherwise: str) -> None:
        """Waits for a condition. Raises NotReached with `otherwise` and the tasks' own words."""
        try:
            async with asyncio.timeout(self._seconds):
                while not await condition():  # noqa: ASYNC110 - what is waited for happens elsewhere
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise NotReached(f"{otherwise} within {self._seconds:g} s\n{await self._why()}") from None

    async def _task(self, name: str) -> Task:
        return msgspec.convert(await self._client.get(TASK, name, self._namespace), Task)

    async def _why(self) -> str:
        lines = []
        for item in (await self._client.list(TASK)).items:
            task = msgspec.json.decode(item, type=Task)
            lines += [f"  {task.name}: {c.type} {c.status} {c.reason}: {c.message}" for c in task.status.conditions[:1]]
        for item in (await self._client.list(ASSIGNMENT)).items:
            a = msgspec.json.decode(item, type=Assignment)
            lines.append(f"  {a.name} on {a.spec.server}: {a.status.phase} {a.status.reason} {a.status.message}")
        return "\n".join(lines)
