"""Transcripts of packages and what is found inside: a line a file, then the finding."""

import io
from pathlib import Path

from tests.unit.artifacts.packages import Files, descriptor, elf, index, layout, plain_image, platform, tarred, zipped

from starlink.artifacts.elf import parse
from starlink.artifacts.errors import ArtifactError
from starlink.artifacts.inspect import examine

SCRIPT = b"#!/bin/sh\n"
PACKAGES: dict[str, Files] = {
    "scripts alone": {"start.sh": SCRIPT, "main.py": (b"print()\n", 0o644)},
    "one program and its libraries": {
        "start.sh": SCRIPT,
        "bin/app": elf("arm64"),
        "lib/libx.so.1": elf("arm64", interpreter=False),
    },
    "a script with native modules": {
        "start.sh": SCRIPT,
        "app/_fast.cpython-311-riscv64-linux-gnu.so": (elf("riscv64", interpreter=False), 0o644),
    },
    "a fat package, by folder": {
        "start.sh": SCRIPT,
        "bin/amd64/app": elf("amd64"),
        "bin/arm64/app": elf("arm64"),
        "bin/riscv64/app": elf("riscv64"),
    },
    "a fat package, by file name, with one more that no server of ours runs": {
        "app-linux-x86_64": elf("amd64"),
        "app-linux-aarch64": elf("arm64"),
        "app-linux-armv7": elf("arm"),
    },
    "a fat package with a helper for one": {
        "bin/amd64/app": elf("amd64"),
        "bin/arm64/app": elf("arm64"),
        "bin/helper": elf("amd64"),
    },
    "programs that disagree": {"bin/app": elf("amd64"), "bin/tool": elf("arm64")},
    "a program for another machine": {"bin/app": elf("i386")},
    "a static program without modes": {"app": (elf("arm64", kind=2, interpreter=False), 0o644)},
    "an image layout": layout(
        index(*(descriptor(b"{}", platform=platform(p)) for p in ("linux/amd64", "linux/arm64/v8", "unknown/unknown")))
    ),
    "an image layout whose index names no platform": layout(
        index(descriptor(plain_image("linux/riscv64")[0])), *plain_image("linux/riscv64")
    ),
    "an image layout for another system": layout(index(descriptor(b"{}", platform=platform("windows/amd64")))),
    "an image layout that is broken": layout(b'{"schemaVersion": 2, "manifests": [{"digest": 7}]}'),
    "a path that escapes": {"../start.sh": SCRIPT},
}


def _told(files: Files) -> list[str]:
    return [
        _line(name, *(content if isinstance(content, tuple) else (content, 0o755))) for name, content in files.items()
    ]


def _line(name: str, content: bytes, mode: int) -> str:
    header = parse(content)
    return f"  {mode:o} {name}" + (f"  ELF, {header.machine}" if header else "")


def _finding(archive: bytes) -> list[str]:
    try:
        found = examine(io.BytesIO(archive), "", "package")
    except ArtifactError as error:
        return [f"refused: {error.reason}: {error}"]
    return [f"architectures: {', '.join(found.architectures) or 'none'}", f"source: {found.source}"]


def test_findings(rewrite: bool) -> None:
    lines: list[str] = []
    for title, files in PACKAGES.items():
        as_zip, as_tar = _finding(zipped(files)), _finding(tarred(files, "gz"))
        assert as_zip == as_tar
        lines += [f"# {title}", *_told(files), *as_zip, ""]
    path = Path(__file__).parent / "findings.txt"
    text = "\n".join(lines)
    if rewrite:
        path.write_text(text)
    assert path.read_text() == text
