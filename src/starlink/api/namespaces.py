"""The namespaces that StarLink's programs are told of, by options or by the environment."""

import re
from argparse import ArgumentTypeError

SERVERS_VARIABLE = "STARLINK_SERVER_NAMESPACE"
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class BadName(ArgumentTypeError):
    """The message says what a name may be; a parser of arguments shows it as it is."""


def named(name: str) -> str:
    """The name as it is; "" too, for none. Raises BadName."""
    if name and not _LABEL.fullmatch(name):
        raise BadName(
            f"{name[:80]!r} can't be the name of a namespace or a Lease here: it must consist of lowercase letters, "
            "digits and '-', begin and end with a letter or a digit, and have at most 63 characters"
        )
    return name
