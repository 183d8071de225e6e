"""Operands of calls, and what a call comes to. Pure."""

from dataclasses import dataclass

from starlink.apiserver.cel.cost import paths
from starlink.apiserver.cel.cost.declared import Declared, found
from starlink.apiserver.cel.cost.paths import Path
from starlink.apiserver.cel.cost.sizes import ONE, REGEX, TRAVERSAL, UNKNOWN, Size, scaled, times
from starlink.apiserver.cel.syntax import Expression, Type

_SCALARS = ("bool", "double", "duration", "int", "timestamp", "uint")


@dataclass(frozen=True, slots=True)
class Part:
    """An operand. `path` leads to it from a variable of `shape`; `computed` is a size that the expression tells."""

    expression: Expression | None
    type: Type
    path: Path
    shape: Declared
    computed: Size | None = None

    @property
    def known(self) -> Size:
        """What the expression or the schema says of its size."""
        return self._told() or UNKNOWN

    @property
    def size(self) -> Size:
        """The same, with 1 for scalars of which nothing is said."""
        return self._told() or (ONE if self.type.kind in _SCALARS else UNKNOWN)

    def _told(self) -> Size | None:
        if self.computed is not None:
            return self.computed
        names = self.path.names()
        there = found(self.shape, names[1:]) if names else None
        return None if there is None else Size(0, there.longest)

    @property
    def items(self) -> "Part | None":
        """An item of the list; None when this is no list."""
        if not self.type.parts:
            return None
        names = self.path.names()
        path = Path([*names, "@items"], len(names) + 1) if names else paths.NONE
        return Part(None, self.type.parts[0], path, self.shape)


@dataclass(frozen=True, slots=True)
class Made:
    """The cost of a call, and the size of its result where that is known."""

    cost: int
    size: Size | None = None


def read(size: Size, passes: int = 1) -> int:
    """What it costs to go through a text."""
    return scaled(size.most, passes * TRAVERSAL)


def matched(text: Size, pattern: Size) -> int:
    """By a regular expression; an empty text costs what one character does."""
    return times(read(text.plus(ONE)), scaled(pattern.most, REGEX))
