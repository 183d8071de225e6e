"""A kind that StarLink does not ship: a Greeting, which is said by a task."""

from starlink.api.kinds import Kind
from starlink.api.meta import Condition, Object, View
from starlink.planning.contract import Known

GREETING = Kind("greet.dev", "v1", "Greeting", "greetings", True)


class GreetingSpec(View, frozen=True):
    words: str
    times: int = 1


class GreetingStatus(View, frozen=True):
    conditions: tuple[Condition, ...] = ()


class Greeting(Object, frozen=True):
    spec: GreetingSpec
    status: GreetingStatus = GreetingStatus()


GREETINGS = Known(GREETING, Greeting)
