"""What a group of identical instances asks of a server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol


class Toleration(Protocol):
    """A taint that is put up with; `key` None means every taint, `effect` None every effect."""

    @property
    def key(self) -> str | None: ...
    @property
    def operator(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def effect(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Ask:
    """One instance's needs. `cpu` in millicores, `memory` in bytes; `pool` "" means any; `own` is how many
    instances of the same task each server has already."""

    cpu: int = 0
    memory: int = 0
    ports: frozenset[int] = frozenset()
    architectures: tuple[str, ...] = ()
    pool: str = ""
    selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    strategy: Literal["Pack", "Spread"] = "Spread"
    own: Mapping[str, int] = field(default_factory=dict)
