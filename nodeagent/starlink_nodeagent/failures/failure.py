"""Why an instance can't go on, or not yet."""

from starlink.artifacts.errors import ArtifactError
from starlink.foreign import said


class Failure(Exception):
    """What no restart cures: a CamelCase reason for status, and a message a person can act on."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotYet(Exception):
    """What passes without a change of the instance, so the same step is tried again: a CamelCase reason for status, and
    a message that says what is waited for. `costly`: another try costs the server more than a look."""

    def __init__(self, reason: str, message: str, *, costly: bool = True) -> None:
        super().__init__(message)
        self.reason = reason
        self.costly = costly


def failure_of(error: Exception) -> Failure:
    """What an error that no time cures means for the instance."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, ArtifactError):
        return Failure(error.reason, str(error))
    return Failure("AgentError", f"the agent could not carry it out: {said(error)}; its log says where")
