"""The programs of a real Kubernetes control plane, built from Go modules, for tests that ask a real API server.

The modules lie beside this file, each of one version with its checksums. What is built from them is kept in the user's
cache, under a name that changes with whatever it is made of. `KUBEBUILDER_ASSETS` names a folder to take them from instead.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.crd_modules import cache

BUILD_SECONDS = 5400
"""Some nine CPU minutes, on a machine that does much else."""

_ENVIRONMENT = {"CGO_ENABLED": "0", "GOWORK": "off"}
_VERSION = "k8s.io/component-base/version"


@dataclass(frozen=True)
class Build:
    """A folder beside this file with go.mod and go.sum, the Go package whose version it is built of, and by the names of
    its programs their packages."""

    folder: Path
    of: str
    programs: dict[str, str]
    stamp: Callable[[str], str]
    """What the linker writes into them, by the version."""

    @property
    def version(self) -> str:
        """As go.mod has it, without the v."""
        found = re.search(rf"^require {re.escape(self.of)} v(\S+)$", (self.folder / "go.mod").read_text(), re.MULTILINE)
        assert found, f"{self.folder}/go.mod requires no {self.of}"
        return found[1]

    @property
    def kept(self) -> Path:
        """Where its programs are kept."""
        pinned = [(self.folder / name).read_text() for name in ("go.mod", "go.sum")]
        key = hashlib.sha256(repr([platform.machine(), self._words(), pinned]).encode()).hexdigest()[:12]
        return cache() / "kube" / f"{self.folder.name}-{self.version}-{key}"

    def _words(self) -> list[str]:
        linked = f"-s -w {self.stamp(self.version)}"
        return ["build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", linked]

    def found(self, program: str) -> str:
        """The path of one of its programs, "" while it is not there or not of this version."""
        if assets := os.environ.get("KUBEBUILDER_ASSETS"):
            return _of_series(Path(assets) / program, self.version)
        path = self.kept / program
        return str(path) if path.exists() else ""

    def bring(self) -> None:
        """Builds what is missing, or does not run. Raises RuntimeError when it can't be built."""
        kept = self.kept
        if "KUBEBUILDER_ASSETS" in os.environ or all(_said(kept / name) == self.version for name in self.programs):
            return
        go = _go()
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            staged = Path(folder) / "staged"
            staged.mkdir()
            for name, package in self.programs.items():
                self._build(go, package, staged / name)
            if kept.exists():
                kept.rename(Path(folder) / "broken")
            staged.rename(kept)

    def _build(self, go: str, package: str, program: Path) -> None:
        done = subprocess.run(
            [go, *self._words(), "-o", str(program), package],
            cwd=self.folder, env={**os.environ, **_ENVIRONMENT}, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{package} can't be built: {done.stderr.strip()[-1000:]}")
        if (said := _said(program)) != self.version:
            raise RuntimeError(f"{program.name} was built, and says that it is {said or 'nothing'}, not {self.version}")


def _stamp_kubernetes(version: str) -> str:
    major, minor, _ = version.split(".")
    values = {
        "gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean",
        "gitCommit": "unknown", "buildDate": "1970-01-01T00:00:00Z",
    }  # fmt: skip
    return " ".join(f"-X {_VERSION}.{name}={value}" for name, value in values.items())


_HERE = Path(__file__).parent
KUBERNETES = Build(
    _HERE / "kubernetes",
    "k8s.io/kubernetes",
    {name: f"k8s.io/kubernetes/cmd/{name}" for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")},
    _stamp_kubernetes,
)
ETCD = Build(_HERE / "etcd", "go.etcd.io/etcd/server/v3", {"etcd": "go.etcd.io/etcd/server/v3"}, lambda _: "")


def bring() -> None:
    """Builds what is missing. Raises RuntimeError when it can't be had."""
    for build in (KUBERNETES, ETCD):
        build.bring()


def _go() -> str:
    go = shutil.which("go") or "/usr/local/go/bin/go"
    if not Path(go).exists():
        raise RuntimeError("go is needed to build kube-apiserver and etcd: see https://go.dev/doc/install")
    return go


def _said(program: Path) -> str:
    """The version that a program says it has, "" when it does not run."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"(?:Kubernetes v|etcd Version: )(\S+)", done.stdout)
    return found[1] if found else ""


def _of_series(program: Path, version: str) -> str:
    """The program's path where it is of the same minor version, "" otherwise."""
    return str(program) if _said(program).split(".")[:2] == version.split(".")[:2] else ""
