"""The watches of custom kinds that are under way. They end when their kind is gone, or served otherwise, so that nobody
waits for objects of a kind that is no more, or goes on to see them in a form that is none."""

from collections import defaultdict
from typing import Protocol
from weakref import WeakSet

from starlink.apiserver.resources.resource import Registry, Resource


class Ending(Protocol):
    """What can be told to end."""

    def end(self) -> None: ...


class OpenWatches:
    """All of them, by the group and the plural of what they watch. A watch that nobody reads any more is forgotten."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._open: defaultdict[tuple[str, str], WeakSet[Ending]] = defaultdict(WeakSet)

    def add(self, resource: Resource, watch: Ending) -> None:
        """Ends the watch at once where the resource was withdrawn after its request was routed."""
        if not resource.custom:
            return
        self._open[resource.group, resource.plural].add(watch)
        if self._registry.get(resource.group, resource.version, resource.plural) is not resource:
            watch.end()

    def end(self, group: str, plural: str) -> None:
        """Ends those of a kind."""
        for watch in self._open.pop((group, plural), ()):
            watch.end()
