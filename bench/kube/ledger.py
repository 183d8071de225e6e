"""The ledger of a race: each racer's measurements, and how StarLink's compare with Kubernetes'."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.report import Result, against, result

STARLINK, ON_KUBERNETES, KUBERNETES = "StarLink", "StarLink on kube-apiserver", "Kubernetes"
RACERS = (STARLINK, ON_KUBERNETES, KUBERNETES)


@dataclass(frozen=True, slots=True)
class Measure:
    """`at_least` and `at_most` are what a racer's median must be as a multiple of Kubernetes', where that is a goal."""

    name: str
    unit: str
    at_least: tuple[tuple[str, float], ...] = ()
    at_most: tuple[tuple[str, float], ...] = ()


@dataclass(slots=True)
class Ledger:
    """The values of all rounds, in the order in which their measures came; what failed is told in words."""

    failures: list[str] = field(default_factory=list)
    _values: defaultdict[Measure, defaultdict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    def note(self, measure: Measure, racer: str, value: float) -> None:
        """Keeps it, and tells people."""
        self._values[measure][racer].append(value)
        print(f"  {measure.name}: {racer}: {value:g} {measure.unit}", flush=True)

    def failed(self, what: str) -> None:
        """Keeps that, and tells people."""
        self.failures.append(what)
        print(f"  failed: {what}", flush=True)

    def results(self) -> list[Result]:
        """A line for each measure and racer; those of StarLink have Kubernetes for a peer."""
        return [one for measure, values in self._values.items() for one in _compared(measure, values)]


def _compared(measure: Measure, values: dict[str, list[float]]) -> Iterator[Result]:
    peers = values.get(KUBERNETES)
    for racer in RACERS:
        if racer not in values:
            continue
        label = f"{measure.name}: {racer}"
        if racer == KUBERNETES or not peers:
            yield result(label, measure.unit, values[racer])
        else:
            at_least, at_most = dict(measure.at_least).get(racer), dict(measure.at_most).get(racer)
            yield against(label, measure.unit, values[racer], KUBERNETES, peers, at_least=at_least, at_most=at_most)
