"""How much a race takes, and the shorter ones that are for trying."""

import os
from dataclasses import dataclass, fields, replace
from typing import Self


@dataclass(frozen=True, slots=True)
class Sizes:
    """`few` and `many` instances as `sets` of equal size and as single ones, the latter in the
    first `many_rounds` alone, `constrained` ones with a constraint. Of
    the API alone: `writes` and `reads` a round, `listed` objects in the end, and `watch_seconds` to warm up in and to
    measure. `rest_seconds` are for coming to rest after a start, `quiet_seconds` for looking whether that is so."""

    rounds: int = 5
    many_rounds: int = 5
    servers: int = 1_000
    sets: int = 100
    few: int = 2_000
    many: int = 10_000
    constrained: int = 1_000
    writes: int = 1_900
    reads: int = 5_000
    listed: int = 10_000
    watchers: int = 1_000
    watch_seconds: tuple[float, float] = (2.0, 6.0)
    rest_seconds: float = 5.0
    quiet_seconds: float = 1.0

    @property
    def is_whole(self) -> bool:
        """Whether nothing is smaller than it should be, but perhaps the number of rounds."""
        whole = type(self)()
        return replace(self, rounds=whole.rounds, many_rounds=whole.many_rounds) == whole

    def divided(self, by: int) -> Self:
        """A race of the same rounds, and everything else so many times smaller."""
        counts = [one.name for one in fields(self) if one.type is int and not one.name.endswith("rounds")]
        return replace(self, **{name: max(1, getattr(self, name) // by) for name in counts})

    @classmethod
    def asked(cls) -> Self:
        """The whole race, or what STARLINK_RACE_ROUNDS, STARLINK_RACE_MANY_ROUNDS (those with the larger number of
        instances) and STARLINK_RACE_PART (10: a tenth of everything else) make of it."""
        rounds = int(os.environ.get("STARLINK_RACE_ROUNDS", cls().rounds))
        many = int(os.environ.get("STARLINK_RACE_MANY_ROUNDS", rounds))
        return replace(cls(), rounds=rounds, many_rounds=many).divided(int(os.environ.get("STARLINK_RACE_PART", "1")))
