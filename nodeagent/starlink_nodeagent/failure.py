"""Why an instance can't go on, or not yet."""


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
