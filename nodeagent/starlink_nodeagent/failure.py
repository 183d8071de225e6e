"""Why an instance can't go on."""


class Failure(Exception):
    """What no restart cures: a CamelCase reason for status, and a message a person can act on."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
