"""What would let an instance fit, as data, and the one place where that is put into words. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_FEW = 3
WORDS = {
    "AddArchitecture": "add {value} to placement.architectures",
    "AddServer": "add it with `starlink server add {subject}`",
    "AddVariant": "add an artifact variant for {value}",
    "AdmitArchitecture": "add {value} to pool {subject}'s architectures",
    "AdmitNamespace": "add {value} to pool {subject}'s namespaces",
    "AskAnyPort": "ask port 0 instead of {value}",
    "DropHostPorts": "take {value} out of spec.hostPorts",
    "AskFewer": "ask {value} instance{s} less",
    "AskFewerOn": "ask {value} instance{s} less on {subject}",
    "AskFewest": "ask fewer instances",
    "AskLess": "ask {value} {field}",
    "BringBack": "bring back the agent on {subject}",
    "ChangeOne": "change one of the two",
    "Correct": "correct {field}",
    "CreateMatch": "create a task that its taskSelector matches",
    "CreatePool": "create it",
    "CreateTask": "create task {subject}",
    "DropLabels": "take {value} out of placement.serverSelector",
    "Free": "free {value} {field} on {subject}",
    "FreeFirst": "free {value} on {subject} before that",
    "GivePool": "give --pool {value}",
    "Label": "label {subject} {value}",
    "LabelOwn": "label {subject} with a {field} of its own",
    "LabelServers": "label servers with {value}",
    "Lend": "let pool {subject} lend {value} more (lend.{field})",
    "MakeRoom": "make room in {subject}",
    "More": "{value} changes more",
    "MoveServer": "move it with `starlink pool move {subject} {value}`",
    "NameArchitecture": "name in placement.architectures where it runs all the same",
    "NamePool": "name another in placement.pool",
    "NameServer": "name another in spec.servers",
    "NameServerBut": "name another server than {subject}",
    "Offer": "offer {value} {field} more on {subject}",
    "OfferFeatures": "offer {value} on {subject}",
    "OfferRuntime": "offer the runtime {value} on {subject}",
    "Pack": "pack one for {value}",
    "Place": "place an instance of {subject} {value}",
    "PlaceFirst": "place {subject} first",
    "RaiseBy": "raise pool {subject}'s {field} by {value}",
    "RaiseSkew": "raise the maxSkew of {field} to {value}",
    "RaiseTo": "raise pool {subject}'s {field} to {value}",
    "RegisterServer": "add one with `starlink server add NAME`",
    "SpreadAnyway": "let the spread over {field} be ScheduleAnyway",
    "StopBorrowing": "stop {value} of what pool {subject} borrows ({field})",
    "StopSome": "stop something in it",
    "Tolerate": "tolerate {value} (placement.tolerations)",
    "Uncordon": "uncordon {subject} (spec.unschedulable: false)",
    "Untaint": "take it off {subject}",
    "WaitForPool": "wait until pool {subject} is below its low watermark",
    "WaitForServer": "wait until what stops on {subject} has stopped",
    "WeighAffinities": "give the affinities a weight",
    "WeighAffinity": "give the affinity a weight",
    "WeighAny": "give one of these affinities a weight",
    "WeighAntiAffinity": "give the antiAffinity to {value} a weight",
    "WeighEither": "give the affinity or the antiAffinity to {value} a weight",
    "WeighTheirs": "give the antiAffinity to {value} of the tasks near {subject} a weight",
    "Write": "write {value} in --add",
}
"""By code, what there is to do."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of the instances that are missing."""

    instances: int
    missing: int

    def __str__(self) -> str:
        return f" for {self.instances} of the {self.missing}"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to do, by its `code`: to a `subject`, such as a server, a pool or a task, or to the task that asks; of
    its `field` or resource, which gets the `value`, or changes by it. It `helps` all that are missing, or a share."""

    code: str
    subject: str = ""
    field: str = ""
    value: str = ""
    helps: Share | None = None

    def __str__(self) -> str:
        s = "" if self.value == "1" else "s"
        words = WORDS[self.code].format(subject=self.subject, field=self.field, value=self.value, s=s)
        return words + str(self.helps or "")


@dataclass(frozen=True, slots=True)
class NewServer:
    """A server to add, with just what is named: what it `offers`, as amounts and features; labels as `key=value`; the
    topology keys of which it is in a domain `of_its_own`. `each`: one for each instance that it `helps`."""

    architectures: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    runtime: str = ""
    host: str = ""
    labels: tuple[str, ...] = ()
    of_its_own: tuple[str, ...] = ()
    pool: str = ""
    each: bool = False
    helps: Share | None = None
    code: str = "NewServer"

    def __str__(self) -> str:
        offers = self.offers
        parts = (
            f"of {' or '.join(self.architectures)}" if self.architectures else "",
            f"with {', '.join(offers[:-1])}{' and ' if offers[1:] else ''}{offers[-1]}" if offers else "",
            f"that runs {self.runtime}" if self.runtime else "",
            f"on the host {self.host}" if self.host else "",
            f"labelled {few_labels(self.labels)}" if self.labels else "",
            f"in a {' and '.join(self.of_its_own)} of its own" if self.of_its_own else "",
            f"in pool {self.pool}" if self.pool else "",
            "per instance" if self.each else "",
        )
        return " ".join(("add one server", *filter(None, parts))) + str(self.helps or "")


@dataclass(frozen=True, slots=True)
class Way:
    """Changes that help together."""

    changes: tuple[Change | NewServer, ...]

    def __str__(self) -> str:
        return " and ".join(map(str, self.changes))


@dataclass(frozen=True, slots=True)
class Remedy:
    """What would let an instance fit: any one of the `ways`, the smallest change first. `problem` says what no change
    of servers mends; where it `is_a_start`, a way is not enough alone."""

    ways: tuple[Way, ...]
    problem: str = ""
    is_a_start: bool = False

    def __str__(self) -> str:
        way = f"{'begin with: ' if self.is_a_start else ''}{', or '.join(map(str, self.ways))}"
        return f"{self.problem}; {way}" if self.problem else way


def way(code: str, subject: str = "", field: str = "", value: str = "", helps: Share | None = None) -> Way:
    """The way that is one change."""
    return Way((Change(code, subject, field, value, helps),))


def share(instances: int, missing: int) -> Share | None:
    """So many of those that are missing, None for all."""
    return Share(instances, missing) if instances != missing else None


def all_of(ways: Iterable[Way]) -> Way:
    """What is together the way past several things, of more than three the first and how many are left."""
    ways = list(dict.fromkeys(ways))
    more = (Change("More", value=str(len(ways) - _FEW)),) if ways[_FEW:] else ()
    return Way((*(change for one in ways[:_FEW] for change in one.changes), *more))


def few_labels(labels: Sequence[str]) -> str:
    """The first of the labels, and how many more there are."""
    more = f" and {len(labels) - _FEW} labels more" if labels[_FEW:] else ""
    return ",".join(labels[:_FEW]) + more
