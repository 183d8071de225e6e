"""Two servers in step: what one is asked the other is, and both begin each scene with the same object."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.conftest import eventually
from tests.differential.comparison import Difference, compare
from tests.differential.requests import MERGE, Scene
from tests.differential.wire import Answer, Ask, Server


@dataclass(frozen=True)
class Found:
    """A request of a scene and in what its answers differ."""

    scene: str
    index: int
    ask: Ask
    differences: tuple[Difference, ...]


def _may_differ(ask: Ask, *, found: bool) -> bool:
    """Whether the servers may have other states now. Of a DELETE that has a body the real one takes no dry run from the
    query."""
    return (ask.writes and (found or ask.method == "DELETE")) or (ask.method == "DELETE" and ask.body != "")


@dataclass
class Worlds:
    """StarLink's server and a real one."""

    here: Server
    there: Server

    def play(self, scene: Scene) -> Iterator[Found]:
        """Asks all of a scene; gives each request with its differences, of which there may be none."""
        self._make(scene)
        for index, ask in enumerate(scene.asks):
            ours, real = self.both(ask)
            differences = compare(ask, ours, real)
            yield Found(scene.number, index, ask, differences)
            if not scene.kind.dry and _may_differ(ask, found=bool(differences)):
                self._remove(scene)
                self._make(scene)
        self._remove(scene)

    def both(self, ask: Ask) -> tuple[Answer, Answer]:
        return self.here.ask(ask), self.there.ask(ask)

    def close(self) -> None:
        self.here.close()
        self.there.close()

    def _make(self, scene: Scene) -> None:
        for server in (self.here, self.there):
            made = server.ask(scene.creation)
            assert made.code == 201, f"{scene.number}: {made}"
            if scene.kind.settled:
                eventually(lambda server=server: _is_settled(server, scene), f"{scene.path} settled")  # type: ignore[misc]

    def _remove(self, scene: Scene) -> None:
        for server in (self.here, self.there):
            remove(server, scene.path)


def _is_settled(server: Server, scene: Scene) -> bool:
    status = server.ask(Ask("GET", scene.path)).body.get("status") or {}
    conditions = status.get("conditions") or ()
    return any((one["type"], one["status"]) == (scene.kind.settled, "True") for one in conditions)


def remove(server: Server, path: str) -> None:
    """Takes an object away, whatever holds it."""
    gone = server.ask(Ask("DELETE", path))
    meta = gone.body.get("metadata", {}) if isinstance(gone.body, dict) else {}
    if gone.code == 200 and meta.get("finalizers"):
        server.ask(Ask("PATCH", path, '{"metadata": {"finalizers": null}}', media=MERGE))
