"""Why an artifact can't be had: a CamelCase reason for status, and a message a person can act on."""

from urllib.parse import urlsplit


class ArtifactError(Exception):
    """What is wrong with an artifact, its URL or the network; trouble of the local disk is an OSError instead.

    `reason` is one of ArtifactNotFound, ArtifactUnreachable, ArtifactChecksumMismatch, ArtifactCorrupt,
    ArtifactUnsafePath, ArtifactTooLarge.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


_MOST_CHARS = 200


def brief(text: object) -> str:
    """What a stranger sent, short enough for a message."""
    whole = str(text)
    return whole if len(whole) <= _MOST_CHARS else f"{whole[:_MOST_CHARS]}..."


def quoted(name: str) -> str:
    """The same for the name of a member: in quotes, with what is not printable escaped."""
    return repr(brief(name))


def shown(url: str) -> str:
    """A URL as messages and logs name it: without user and password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "artifact.url"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else url
