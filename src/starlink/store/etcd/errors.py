"""Why a watch of etcd ends."""


class Lost(Exception):
    """The watch ended; another one resumes it."""


class Stale(Exception):
    """No watch can bring memory up to date: everything must be read again."""


class Compacted(Stale):
    """The watch asked for history that is compacted, up to `revision`."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"etcd's history is compacted up to revision {revision}")
        self.revision = revision
