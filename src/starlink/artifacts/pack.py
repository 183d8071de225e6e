"""Packing a folder reproducibly: the same files give the same archive, byte for byte, everywhere.

`python -m starlink.artifacts.pack FOLDER ARCHIVE.zip` packs and prints the sha256.
"""

import hashlib
import sys
import zipfile
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


if __name__ == "__main__":
    print(pack(Path(sys.argv[1]), Path(sys.argv[2])))
