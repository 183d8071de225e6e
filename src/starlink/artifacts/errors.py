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


class GivenUp(ArtifactError):
    """A fetch was broken off because it is not wanted any more, or not now."""

    def __init__(self) -> None:
        super().__init__("ArtifactGivenUp", "nobody wants the artifact any more")


_MOST_CHARS = 200


def brief(text: object) -> str:
    """What a stranger sent, short enough for a message, with what is not printable escaped."""
    whole = _cut(str(text))
    return whole if whole.isprintable() else repr(whole)[1:-1]


def quoted(name: str) -> str:
    """The same for the name of a member, in quotes."""
    return repr(_cut(name))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}..."


def shown(url: str) -> str:
    """A URL as messages and logs name it: without user and password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "artifact.url"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if "@" in parts.netloc else url
