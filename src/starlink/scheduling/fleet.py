"""All servers as arrays, in the order of their names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Amounts = npt.NDArray[np.int64]


class Taint(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def effect(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Node:
    """One server. `cpu` in millicores and `memory` in bytes are what may be allocated, `used_*` what is charged."""

    name: str
    architecture: str = "amd64"
    pool: str = ""
    pool_architectures: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    ready: bool = True
    schedulable: bool = True
    cpu: int = 0
    memory: int = 0
    used_cpu: int = 0
    used_memory: int = 0
    used_ports: frozenset[int] = frozenset()


class Fleet:
    """The servers of one round. `charge` deducts what was placed, so that the next ask sees it."""

    def __init__(self, nodes: Iterable[Node], pools: Iterable[str] = ()) -> None:
        self.nodes = tuple(sorted(nodes, key=lambda node: node.name))
        self.pools = tuple(sorted(pools))
        self.names = tuple(node.name for node in self.nodes)
        self.cpu = self._amounts("cpu")
        self.memory = self._amounts("memory")
        self.free_cpu = self.cpu - self._amounts("used_cpu")
        self.free_memory = self.memory - self._amounts("used_memory")
        self.ready = self._mask(lambda node: node.ready)
        self.schedulable = self._mask(lambda node: node.schedulable)
        self.architecture = np.array([node.architecture for node in self.nodes], dtype=np.str_)
        self.pool = np.array([node.pool for node in self.nodes], dtype=np.str_)
        self.pool_takes = self._mask(
            lambda node: not node.pool_architectures or node.architecture in node.pool_architectures
        )
        self.ports = [set(node.used_ports) for node in self.nodes]

    def __len__(self) -> int:
        return len(self.nodes)

    def _amounts(self, attribute: str) -> Amounts:
        return np.fromiter((getattr(node, attribute) for node in self.nodes), np.int64, len(self.nodes))

    def _mask(self, test: "Test") -> Mask:
        return np.fromiter((test(node) for node in self.nodes), np.bool_, len(self.nodes))

    def mask(self, test: "Test") -> Mask:
        """Which servers pass a test."""
        return self._mask(test)

    def fullness(self) -> npt.NDArray[np.float64]:
        """The larger of the shares of cpu and memory that are charged, 0 to 1 for a server within its means."""
        cpu = 1 - self.free_cpu / np.maximum(self.cpu, 1)
        memory = 1 - self.free_memory / np.maximum(self.memory, 1)
        larger: npt.NDArray[np.float64] = np.maximum(cpu, memory)
        return larger

    def charge(self, index: int, cpu: int, memory: int, ports: frozenset[int]) -> None:
        """Deducts one instance from a server."""
        self.free_cpu[index] -= cpu
        self.free_memory[index] -= memory
        self.ports[index] |= ports


class Test(Protocol):
    def __call__(self, node: Node, /) -> bool: ...
