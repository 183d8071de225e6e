"""What the operator is told of greetings: in a shipped kind a file of `starlink_operator/kinds`."""

from functools import partial

from tests.greeting.planning import Greeter
from tests.greeting.view import GREETING, GREETINGS

from starlink.api.kinds import TASK
from starlink.client.rights import of
from starlink.planning.contract import TASKS
from starlink_operator.caches import Reads
from starlink_operator.controller import Entry
from starlink_operator.planned import Planned

WRITES = (*of(GREETING, "patch", sub="status"), *of(TASK, "get", "create", "patch"))
ENTRY = Entry(partial(Planned, Greeter()), Reads(many=(TASKS,), few=(GREETINGS,)), WRITES)
