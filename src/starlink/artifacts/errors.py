"""Why an artifact can't be had: a CamelCase reason for status, and a message a person can act on."""


class ArtifactError(Exception):
    """`reason` is one of ArtifactNotFound, ArtifactUnreachable, ArtifactChecksumMismatch, ArtifactCorrupt,
    ArtifactUnsafePath, ArtifactTooLarge."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
