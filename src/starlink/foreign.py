"""What may be told of an exception that nobody foresaw. Pure.

A library's words may hold whatever it was given: a stored value, another's secret, a line of somebody's file. Ours do
not, nor do the system's words for its error numbers.
"""

_OURS = "starlink"


def said(error: BaseException) -> str:
    """The exception's kind, and its words where they are ours or the system's."""
    kind = type(error)
    if kind.__module__.startswith(_OURS):
        return f"{kind.__name__}: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"{kind.__name__}: {error.strerror}"
    return kind.__name__
