"""Parts of a data directory that are put in place together: all of them or none, whenever a crash comes.

They are made in `.restore`, which is worth nothing until it is renamed to `.restored-STAMP`. From then on they are
the ones that count, and whoever comes next puts them in place; what was there goes to `replaced-STAMP`.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from starlink.files import durable

_STAGED, _COMMITTED, _ASIDE = ".restore", ".restored-", "replaced-"


def stage(root: Path) -> Path:
    """An empty folder for the folders and files to come; what an earlier one held is dropped. Raises OSError."""
    discard(root)
    staged = root / _STAGED
    staged.mkdir(mode=0o700)
    return staged


def discard(root: Path) -> None:
    """Drops what was staged and not committed."""
    shutil.rmtree(root / _STAGED, ignore_errors=True)


def commit(root: Path, now: float) -> None:
    """Makes what was staged, and is synced, what counts. Raises OSError."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    durable.sync_folder(root / _STAGED)
    durable.move(root / _STAGED, root / (_COMMITTED + stamp))


def is_unfinished(root: Path) -> bool:
    """Whether what was committed is not in place yet."""
    return any(root.glob(_COMMITTED + "*"))


def finish(root: Path) -> Path | None:
    """Puts what was committed in place, also after a crash; gives where it moved what was there. Raises OSError."""
    aside = None
    for committed in sorted(root.glob(_COMMITTED + "*")):
        aside = root / (_ASIDE + committed.name.removeprefix(_COMMITTED))
        for part in sorted(committed.iterdir()):
            _make_way(root / part.name, aside)
            durable.move(part, root / part.name)
        committed.rmdir()
    return aside if aside is not None and aside.exists() else None


def holds_something(folder: Path) -> bool:
    """Whether there is more than locks in it; a file holds something."""
    if not folder.is_dir():
        return folder.exists()
    return any(not entry.name.endswith(".lock") for entry in folder.iterdir())


def _make_way(folder: Path, aside: Path) -> None:
    if holds_something(folder):
        aside.mkdir(mode=0o700, exist_ok=True)
        durable.move(folder, aside / folder.name)
    elif folder.exists():
        for lock_file in folder.iterdir():
            lock_file.unlink()
        folder.rmdir()
