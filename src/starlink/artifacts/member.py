"""One member of an archive, whatever the format."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["file", "directory", "link", "hard link", "other"]


@dataclass(frozen=True, slots=True)
class Member:
    """`parts` are the steps from the target to it, and none leaves it; `runnable` is its mode x.

    `read(count)` gives the next bytes of a file, at most so many, and b"" at its end; it may be called until the next
    member is asked for, and raises what reading the archive raises. `target` is that of a link, unchecked;
    a hard link's is the path of an earlier member. "other" is a device, a FIFO, a socket, or what no standard names.
    """

    parts: tuple[str, ...]
    kind: Kind
    size: int = 0
    runnable: bool = False
    target: str = ""
    read: Callable[[int], bytes] = lambda _count: b""

    @property
    def path(self) -> str:
        return "/".join(self.parts)
