"""CustomResourceDefinitions of well-known projects, out of their Go modules, for tests and benchmarks of many CRDs.

None is kept in the repository: `go mod download` brings the modules, each of one version with one checksum, and their
CRDs alone are kept in a cache of the user's (`STARLINK_TEST_CACHE`, or `~/.cache/starlink-tests`).
"""

import functools
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from starlink.manifest import load

Obj = dict[str, Any]

DOWNLOAD_SECONDS = 300


@dataclass(frozen=True)
class Module:
    """A Go module of one version, its checksum as go.sum has it, and the folder where its CRDs lie."""

    path: str
    version: str
    checksum: str
    folder: str

    @property
    def kept(self) -> Path:
        """Where its CRDs are kept."""
        return cache() / "crds" / f"{self.path.rpartition('/')[2]}@{self.version}"


MODULES = (
    Module("github.com/cert-manager/cert-manager", "v1.17.2", "h1:QQYTEOsHf/Z3BFzKH2sIILHJwZA5Ut0LYZlHyNViupg=", "deploy/crds"),
    Module("sigs.k8s.io/gateway-api", "v1.3.0", "h1:q6okN+/UKDATola4JY7zXzx40WO4VISk7i9DIfOvr9M=", "config/crd/experimental"),
    Module("sigs.k8s.io/kueue", "v0.11.4", "h1:aYSbAwQNAZMCcTRw3wHxqOcmevmMdY2X7nWgDVzhDHI=", "config/components/crd/bases"),
    Module("github.com/cloudnative-pg/cloudnative-pg", "v1.27.0", "h1:mp0zlYO4vKAJmQdArWORWKr1lmB4Hj8JeBQGX5RBnpg=", "config/crd/bases"),
    Module("github.com/prometheus-operator/prometheus-operator", "v0.82.0", "h1:gqz+z31co8+qaEpsJKGfbrBuaMAPiAo/Z08dBIlSM+E=", "example/prometheus-operator-crd"),
    Module("github.com/argoproj/argo-rollouts", "v1.8.2", "h1:DBvkYvFTEH/zJ9MxJerqz/NMWEgZcHY5vxztyCBS5ak=", "manifests/crds"),
)  # fmt: skip


def cache() -> Path:
    """The folder for what is brought once, outside the repository."""
    given = os.environ.get("STARLINK_TEST_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "starlink-tests"


def found() -> str:
    """The folder of all CRDs, "" while any is missing."""
    return str(cache() / "crds") if all(module.kept.is_dir() for module in MODULES) else ""


def bring() -> None:
    """Brings what is missing. Raises RuntimeError when it can't be had, or is not what it was."""
    for module in MODULES:
        if not module.kept.is_dir():
            _bring(module)


def _bring(module: Module) -> None:
    module.kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=module.kept.parent) as folder:
        told = _downloaded(module, Path(folder))
        if told["Sum"] != module.checksum:
            raise RuntimeError(f"{module.path}@{module.version} has the checksum {told['Sum']}, not {module.checksum}")
        staged = Path(folder) / "staged"
        staged.mkdir()
        for file in sorted((Path(told["Dir"]) / module.folder).glob("*.yaml")):
            shutil.copyfile(file, staged / file.name)
        if not module.kept.is_dir():
            staged.rename(module.kept)


def _downloaded(module: Module, folder: Path) -> Obj:
    """What `go mod download` says of the module. The checksum is compared here, and so needs no server."""
    go = shutil.which("go") or "/usr/local/go/bin/go"
    if not Path(go).exists():
        raise RuntimeError("go is needed to bring CRDs of other projects: see https://go.dev/doc/install")
    settings = {
        "GOMODCACHE": str(folder / "modules"),
        "GOFLAGS": "-modcacherw",
        "GOSUMDB": "off",
        "GOTOOLCHAIN": "local",
    }
    done = subprocess.run(
        [go, "mod", "download", "-json", f"{module.path}@{module.version}"],
        cwd=folder, env={**os.environ, **settings}, capture_output=True, text=True, check=False, timeout=DOWNLOAD_SECONDS,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{module.path}@{module.version} can't be had: {done.stdout or done.stderr}")
    told: Obj = json.loads(done.stdout)
    return told


def definitions() -> list[Obj]:
    """All CRDs, in the order of their files, without labels: some have templates of Helm's in place of them."""
    found: list[Obj] = msgspec.json.decode(_read())
    return found


@functools.cache
def _read() -> bytes:
    """They are 9 MB of YAML, which are read once in a process."""
    files = [file for module in MODULES for file in sorted(module.kept.glob("*.yaml"))]
    found = [obj for file in files if (obj := load(file)).get("kind") == "CustomResourceDefinition"]
    for obj in found:
        obj["metadata"].pop("labels", None)
    return msgspec.json.encode(found)
