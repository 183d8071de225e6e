"""What a request's write must pass: nobody gives more than they hold."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from starlink.apiserver.encoding import Obj
from starlink.apiserver.guard import Guard
from starlink.apiserver.message import Request
from starlink.apiserver.route import Route


@dataclass
class RequestAdmission:
    """`objects.Admission` for one request; `annotations` are for the audit log."""

    guard: Guard
    request: Request
    asked: Route
    dry_run: bool
    annotations: dict[str, str] = field(default_factory=dict)

    def prepare(self, obj: Obj, old: Obj | None) -> None:
        """Nothing yet."""

    def review(self, operation: str, obj: Obj | None, old: Obj | None) -> Sequence[str]:
        if obj is not None:
            self.guard.check_grant(self.request, self.asked, obj, old)
        return ()
