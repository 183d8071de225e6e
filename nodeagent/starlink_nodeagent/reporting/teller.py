"""What the agent says of its instances: statuses by the reporter, and Events for what a person would ask about."""

from collections.abc import Callable, Collection, Iterable, Mapping

from starlink.api.assignment import Assignment, Phase
from starlink.api.kinds import ASSIGNMENT
from starlink.api.meta import ObjectKey
from starlink_nodeagent.decisions import changes
from starlink_nodeagent.decisions.unreadable import UNREADABLE, has_foreign_phase, told, trouble
from starlink_nodeagent.journal.record import Record, record_of
from starlink_nodeagent.reporting.report import is_news, status_of, status_of_unread
from starlink_nodeagent.reporting.reporter import Reporter
from starlink_nodeagent.runtimes.contract import Finding

_ON_THE_WAY = ("Pending", "Preparing", "Starting", "Stopping")


class Teller:
    """Never waits. `declared` are the Assignments as last heard, `address` says where instances are reached, `now`
    epoch seconds, `finding` what the instance of a UID has found."""

    def __init__(
        self,
        reporter: Reporter,
        declared: Mapping[ObjectKey, Assignment],
        address: Callable[[], str],
        now: Callable[[], float],
        finding: Callable[[str], Finding] = lambda _: Finding(),
    ) -> None:
        self._reporter = reporter
        self._declared = declared
        self._address = address
        self._now = now
        self._finding = finding
        self._left: dict[str, str] = {}

    def report(self, record: Record) -> None:
        """A step of an instance: its status, and an Event for a failure, a restart, or what it waits for."""
        self.tell(record)
        if record.phase == "Failed" or (record.phase in _ON_THE_WAY and record.reason):
            self._reporter.event(ASSIGNMENT, record.key, record.uid, "Warning", record.reason, record.message)

    def tell(self, record: Record) -> None:
        """Its status alone."""
        assignment, unread, version, there = self._declared.get(record.key), "", "", None
        if assignment is not None and assignment.uid == record.uid:
            there = assignment.status.result
            if self._finding(record.uid).message or not _is_to_change(record, assignment):
                record.generation = assignment.metadata.generation
            version = assignment.metadata.resource_version
            unread = trouble(assignment)
        if record.stopping and not record.finished:
            record.phase, record.ready = "Stopping", False
        status = status_of(record, self._address(), self._now(), unread, self._finding(record.uid))
        self._reporter.tell(record.uid, record.key, status, version, there)

    def tell_of(self, assignment: Assignment, phase: Phase, reason: str, message: str) -> None:
        """Tells of one that has no instance."""
        record = record_of(assignment, "")
        record.phase, record.reason, record.message = phase, reason, message
        self.tell(record)

    def catch_up(self, records: Iterable[Record]) -> None:
        """Says what an earlier agent noted and may not have sent."""
        for record in records:
            assignment = self._declared.get(record.key)
            if assignment is None or assignment.uid != record.uid:
                continue
            if is_news(record, assignment.status, self._address(), self._finding(record.uid)):
                self.tell(record)

    def leave_alone(self, assignments: Collection[tuple[Assignment, str]]) -> None:
        """Says of all that can't be read and have no instance why nothing is begun with them, once for each reason."""
        before, self._left = self._left, {a.uid: why for a, why in assignments}
        for assignment, why in assignments:
            uid, key, version = assignment.uid, assignment.key, assignment.metadata.resource_version
            if before.get(uid) != why:
                self._reporter.tell(uid, key, status_of_unread(assignment, why, self._now()), version)
                self._reporter.event(ASSIGNMENT, key, uid, "Warning", UNREADABLE, told(why))
        for uid in before.keys() - self._left.keys():
            self.forget(uid)

    def understand(self, assignment: Assignment, before: Assignment | None, record: Record) -> None:
        """Says of one that runs that its Assignment can't be read any more, or can again."""
        why = trouble(assignment)
        if why == (trouble(before) if before is not None else ""):
            return
        self.tell(record)
        if why:
            self._reporter.event(ASSIGNMENT, record.key, record.uid, "Warning", UNREADABLE, told(why))

    def answer(self, assignment: Assignment, record: Record | None) -> None:
        """Says again how one is of which the operator says that nothing is known, for this server was not heard; a
        newer one may say that in a phase of its own."""
        foreign = record is not None and has_foreign_phase(assignment.status)
        version, there = assignment.metadata.resource_version, assignment.status.result
        if (
            (assignment.doubted or foreign)
            and not self._reporter.again(assignment.uid, assignment.key, version, there)
            and record is not None
        ):
            self.tell(record)

    def forget(self, uid: str) -> None:
        """Nobody asks for it any more."""
        self._reporter.forget(uid)


def _is_to_change(record: Record, assignment: Assignment) -> bool:
    """Whether the Assignment wishes something of its instance that this does not have yet."""
    wish = changes.wish(record, assignment)
    return wish is not None and not changes.is_fulfilled(record, wish)
