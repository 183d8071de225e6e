"""Which architectures the artifacts of tasks are for, found out in the background where nobody said."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

import msgspec

from starlink import foreign
from starlink.api.meta import ObjectKey
from starlink.api.task import ArtifactFinding, Task
from starlink.api.template import ArtifactReference
from starlink.artifacts.asking import Answer, Request
from starlink.artifacts.errors import shown
from starlink.backoff import Pauses
from starlink.planning.world import World

log = logging.getLogger(__name__)

AT_ONCE = 2
KEPT = 10_000
SOURCE_CHARS = 512
PAUSES = Pauses(1.0, 300.0)
ON_SERVERS = ArtifactFinding(source="file: artifacts are on the servers; give placement.architectures or variants")


@dataclass(frozen=True, slots=True)
class Pending:
    """Not known yet; `changed` is called when it is."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one look may use: seconds from start to end, and bytes of the archive."""

    seconds: int = 30
    max_bytes: int = 512 * 1024**2


DEFAULT_BOUNDS = Bounds()
PENDING = Pending()


@dataclass(slots=True, eq=False)
class _Look:
    """An artifact that is to be looked into, and for whom."""

    artifact: ArtifactReference
    tasks: set[ObjectKey] = field(default_factory=set)
    failures: int = 0
    failed: ArtifactFinding | None = None


def asked(task: Task) -> ArtifactReference | None:
    """The artifact that says where the task runs, when the task itself does not."""
    artifact = task.spec.template.artifact
    if artifact is None or artifact.variants or task.spec.placement.architectures:
        return None
    return artifact


class Findings:
    """Looks into each distinct artifact once, AT_ONCE at a time, each in a process of its own.

    `changed` is called with the key of each task whose finding is new. `allow_local` lets artifacts be fetched from
    loopback and link-local addresses.
    """

    def __init__(
        self,
        changed: Callable[[ObjectKey], None],
        allow_local: bool = False,
        bounds: Bounds = DEFAULT_BOUNDS,
        pauses: Pauses = PAUSES,
    ) -> None:
        self._changed = changed
        self._allow_local = allow_local
        self._bounds = bounds
        self._pauses = pauses
        self._found: dict[str, ArtifactFinding] = {}
        self._looks: dict[tuple[str, str], _Look] = {}
        self._wants: dict[ObjectKey, _Look] = {}
        self._queue: asyncio.Queue[_Look] = asyncio.Queue()

    def wanted(self, task: Task) -> Pending | ArtifactFinding | None:
        """What is known of the task's artifact, and asks for it when that is nothing; None when it does not matter.

        A finding without architectures says in `source` why there is none: with a digest it is for no server, without
        one a failure, which is tried again for as long as the task wants it.
        """
        artifact = asked(task)
        known = self._known(task, artifact) if artifact else None
        if artifact is None or known is not None:
            self.forget(task.key)
            return known
        return self._look_of(task.key, artifact).failed or PENDING

    def known_in(self, world: World, keys: Collection[ObjectKey]) -> World:
        """The world with what is known of the artifacts of those tasks."""
        known: dict[ObjectKey, ArtifactFinding] = {}
        looking: set[ObjectKey] = set()
        for key in keys:
            task = world.tasks.get(key)
            if task is None:
                self.forget(key)
                continue
            found = self.wanted(task)
            if isinstance(found, ArtifactFinding):
                known[key] = found
            elif found is not None:
                looking.add(key)
        return replace(world, findings=known, looking=frozenset(looking))

    def forget(self, key: ObjectKey) -> None:
        """The task is gone, or no longer asks."""
        look = self._wants.pop(key, None)
        if look is None:
            return
        look.tasks.discard(key)
        if not look.tasks:
            del self._looks[_key(look.artifact)]

    def _known(self, task: Task, artifact: ArtifactReference) -> ArtifactFinding | None:
        """Found by us, or by who led before us: the status has it. That it runs nowhere is looked for anew: who led
        before may have known fewer architectures."""
        if artifact.url.startswith("file:"):
            return ON_SERVERS
        told = task.status.artifact
        if told is not None and told.digest == artifact.sha256 and told.architectures:
            return told
        return self._found.get(artifact.sha256)

    def _look_of(self, key: ObjectKey, artifact: ArtifactReference) -> _Look:
        look = self._looks.get(_key(artifact))
        if look is None:
            look = self._looks[_key(artifact)] = _Look(artifact)
            self._queue.put_nowait(look)
        if self._wants.get(key) is not look:
            self.forget(key)
            self._wants[key] = look
            look.tasks.add(key)
        return look

    async def run(self) -> None:
        """Looks into what is wanted, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            look = await self._queue.get()
            if look.tasks:
                self._settle(look, await self._answer(look.artifact))

    def _settle(self, look: _Look, answer: Answer) -> None:
        if answer.finding is not None:
            self._keep(answer.finding)
            log.info(
                "an artifact was looked into", extra={"url": shown(look.artifact.url), "source": answer.finding.source}
            )
            self._tell(look)
            for key in tuple(look.tasks):
                self.forget(key)
            return
        look.failures += 1
        failed = ArtifactFinding(source=f"could not be read: {answer.failure}"[:SOURCE_CHARS])
        asyncio.get_running_loop().call_later(self._pauses.after(look.failures), self._queue.put_nowait, look)
        if failed != look.failed:
            look.failed = failed
            log.warning(
                "an artifact could not be looked into: %s", answer.failure, extra={"url": shown(look.artifact.url)}
            )
            self._tell(look)

    def _keep(self, finding: ArtifactFinding) -> None:
        short = msgspec.structs.replace(finding, source=finding.source[:SOURCE_CHARS])
        self._found[finding.digest] = short
        if len(self._found) > KEPT:
            del self._found[next(iter(self._found))]

    def _tell(self, look: _Look) -> None:
        for key in sorted(look.tasks):
            self._changed(key)

    async def _answer(self, artifact: ArtifactReference) -> Answer:
        """What the process says, or what its end says."""
        known = self._found.get(artifact.sha256)
        if known is not None:
            return Answer(finding=known)
        bounds = self._bounds
        request = Request(artifact.url, artifact.sha256, self._allow_local, bounds.seconds, bounds.max_bytes)
        try:
            code, said = await _ask(msgspec.json.encode(request))
        except OSError as error:
            return Answer(failure=f"no process can be started to read it: {foreign.said(error)}")
        if code == -signal.SIGALRM:
            return Answer(failure=f"{shown(artifact.url)} was not fetched and read within {bounds.seconds} s")
        try:
            return msgspec.json.decode(said, type=Answer)
        except msgspec.DecodeError:
            return Answer(failure=f"the process that read {shown(artifact.url)} ended with {code}")


def _key(artifact: ArtifactReference) -> tuple[str, str]:
    """A URL that fails for one task must not hold up the same archive from another."""
    return artifact.sha256, artifact.url


async def _ask(request: bytes) -> tuple[int, bytes]:
    """Exit code and output. The request goes through stdin: a URL may hold a secret, and arguments are public."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "starlink.artifacts.inspect",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        said, _ = await process.communicate(request)
        return process.returncode or 0, said
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
