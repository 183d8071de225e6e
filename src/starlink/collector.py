"""Python's collector of cycles rests while a process loads its modules.

They make some hundred thousand objects that stay, which it would walk again and again, and cycles of a thousand
objects that don't.
"""

import gc


def rest() -> None:
    """Until `begin`; for the first lines of a program."""
    gc.disable()


def begin() -> None:
    """After the last import. What there is now lives as long as the process, and is not walked."""
    gc.freeze()
    gc.enable()
