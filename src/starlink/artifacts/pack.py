"""Packing a folder reproducibly: the same files give the same archive, byte for byte, everywhere.

`python -m starlink.artifacts.pack FOLDER ARCHIVE.zip` packs and prints the sha256.
"""

import hashlib
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack(folder: Path, archive: Path) -> str:
    """Packs the files of `folder` as a zip and gives its SHA-256.

    Sorted, without times, stored and not compressed: compressed bytes differ between versions of zlib.
    """
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as opened:
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            executable = path.stat().st_mode & 0o100
            info.external_attr = (0o100755 if executable else 0o100644) << 16
            info.create_system = 3  # Unix, wherever this runs
            opened.writestr(info, path.read_bytes())
    return hashlib.sha256(archive.read_bytes()).hexdigest()


def main(words: Sequence[str]) -> int:
    """Packs as the words of the command say, and prints the digest, or what is wrong. Gives the exit code."""
    if len(words) != 2:
        print("usage: python -m starlink.artifacts.pack FOLDER ARCHIVE.zip", file=sys.stderr)
        return 2
    folder, archive = map(Path, words)
    if not folder.is_dir():
        print(f"{folder} is no folder; name the one whose files are to be packed", file=sys.stderr)
        return 1
    try:
        print(pack(folder, archive))
    except OSError as error:
        print(f"{error.filename or archive}: {error.strerror or 'can not be read or written'}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
