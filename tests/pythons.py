"""Other Pythons with what the project needs, which a test can run its sources with."""

import hashlib
import os
import subprocess
import sys
import sysconfig
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("src", "operator", "nodeagent")
KEPT = ROOT / ".venv" / "pythons"


class NotPrepared(Exception):
    """The message says why."""


@dataclass(frozen=True)
class Python:
    """An interpreter, and the PYTHONPATH with which it finds the project."""

    executable: str
    path: str


def prepared(python: str) -> Python:
    """The interpreter with the project's sources and what they need: what is installed for this Python where that is
    of the same minor version, else an environment of its own, which is kept. Raises NotPrepared."""
    sources = [str(ROOT / folder) for folder in SOURCES]
    if _minor(python) == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return Python(python, os.pathsep.join((*sources, sysconfig.get_path("purelib"))))
    return Python(str(_environment(python) / "bin" / "python"), os.pathsep.join(sources))


def _minor(python: str) -> str:
    asked = "import sys; print(*sys.version_info[:2], sep='.')"
    return subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True).stdout.strip()


def _environment(python: str) -> Path:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["server"]]
    folder = KEPT / f"{_minor(python)}-{hashlib.sha256(repr(needed).encode()).hexdigest()[:12]}"
    whole = folder / "whole"
    if not whole.exists():
        for words in (("-m", "venv", "--clear", str(folder)), ("-m", "pip", "install", "--quiet", *needed)):
            used = python if words[1] == "venv" else str(folder / "bin" / "python")
            done = subprocess.run([used, *words], capture_output=True, text=True, timeout=600, check=False)
            if done.returncode:
                raise NotPrepared(f"{python} can't have what the project needs: {done.stderr.strip()[-500:]}")
        whole.touch()
    return folder
