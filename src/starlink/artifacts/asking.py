"""What is asked of the process that looks into an artifact, and what it answers."""

import msgspec

from starlink.api.task import ArtifactFinding


class Request(msgspec.Struct, frozen=True):
    """What to fetch and look into, within how many seconds and bytes."""

    url: str
    sha256: str
    allow_local: bool
    seconds: int
    max_bytes: int


class Answer(msgspec.Struct, frozen=True):
    """Either what was found, or why nothing was."""

    finding: ArtifactFinding | None = None
    failure: str = ""
