"""Why a group of tasks has ended."""


def cause(group: BaseExceptionGroup[BaseException], *expected: type[BaseException]) -> BaseException:
    """The error of an expected kind, when the group holds no others; else the group itself.

    For `except BaseExceptionGroup`: what is raised within `except*` comes out in a group again on Python 3.11.2.
    """
    found, others = group.split(expected)
    return group if found is None or others is not None else _first(found)


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
