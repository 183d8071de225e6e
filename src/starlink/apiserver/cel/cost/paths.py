"""Paths from a variable to what an expression looks at, appended to as Go appends to slices. Pure.

cel-go makes a longer path of a shorter one by `append`, so that two paths may share their end, and one made later may
change an earlier one. The real server's estimates, and with them what it accepts, come of that.
"""

from dataclasses import dataclass

from starlink.apiserver.cel.syntax import ACCUMULATOR


@dataclass(frozen=True, slots=True)
class Path:
    """The first `length` names of `held`, which has room for as many as it is long."""

    held: list[str]
    length: int

    def below(self, name: str) -> "Path":
        """The path to a part."""
        if self.length < len(self.held):
            self.held[self.length] = name
            return Path(self.held, self.length + 1)
        room = [""] * max(1, 2 * self.length)
        room[: self.length] = self.held
        room[self.length] = name
        return Path(room, self.length + 1)

    def names(self) -> tuple[str, ...]:
        """As they are now; none for what a loop collects."""
        names = tuple(self.held[: self.length])
        return () if names[:1] == (ACCUMULATOR,) else names


def of_variable(name: str) -> Path:
    return Path([name], 1)


NONE = Path([], 0)
