"""How this process reaches an API server: the one place that every program of StarLink's asks."""

import os
from collections.abc import Mapping
from pathlib import Path

from starlink.client import proxy
from starlink.client.config import Config, load
from starlink.client.errors import BadConfig

POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its token, its authority and its namespace."""


def find(kubeconfig: Path | None, context: str, environment: Mapping[str, str], pod: Path = POD) -> Config:
    """The kubeconfig that is given, else those of $KUBECONFIG that are there, else what a pod finds in its own files.
    Raises BadConfig."""
    named = named_in(environment)
    paths = [kubeconfig] if kubeconfig is not None else [path for path in named if is_there(path)]
    if paths:
        return load(*paths, context=context, environment=environment)
    if is_pod(environment, pod):
        return of_pod(environment, pod, context)
    away = f"KUBECONFIG: {', '.join(map(str, named))} is not there" if named else "KUBECONFIG is not set"
    raise BadConfig(f"no cluster: --kubeconfig is not given, {away}, and this is no pod ({pod}/token is not there)")


def of_agent(kubeconfig: Path | None, context: str, environment: Mapping[str, str], pod: Path = POD) -> Config:
    """The same for an agent, which is not whom $KUBECONFIG says: that is a person's. Raises BadConfig."""
    if kubeconfig is None and not is_pod(environment, pod):
        raise BadConfig(
            "--kubeconfig is needed; take one of `starlink server add NAME`, where StarLink runs (this is no pod "
            f"of a cluster: {pod}/token is not there)"
        )
    own = {name: value for name, value in environment.items() if name != "KUBECONFIG"}
    return find(kubeconfig, context, own, pod)


def of_data_dir(kubeconfig: Path, context: str = "") -> Config:
    """The cluster of a data directory, by the kubeconfig in it: who names a stranger's directory runs no program of
    the stranger's, and sends it no file. Raises BadConfig."""
    return load(kubeconfig, context=context, alone=True)


def named_in(environment: Mapping[str, str]) -> list[Path]:
    """What $KUBECONFIG lists, as kubectl reads it."""
    words = environment.get("KUBECONFIG", "").split(os.pathsep)
    return [Path(word) for word in dict.fromkeys(words) if word]


def is_there(path: Path) -> bool:
    """Also where one may not look: whoever reads it will say why not."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def is_pod(environment: Mapping[str, str], pod: Path = POD) -> bool:
    """Whether this runs as a pod of a cluster."""
    told = environment.get("KUBERNETES_SERVICE_HOST") and environment.get("KUBERNETES_SERVICE_PORT")
    return bool(told) and is_there(pod / "token")


def of_pod(environment: Mapping[str, str], pod: Path = POD, context: str = "") -> Config:
    """The cluster that this is a pod of, as the pod's own ServiceAccount. Raises BadConfig."""
    if context:
        raise BadConfig(f"--context {context}: a pod's own files name none; give --kubeconfig, or leave it out")
    host, port = environment["KUBERNETES_SERVICE_HOST"], environment["KUBERNETES_SERVICE_PORT"]
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise BadConfig(f"KUBERNETES_SERVICE_PORT is {port!r}; it must be a port, such as 443")
    server = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        ca = (pod / "ca.crt").read_bytes()
    except OSError as error:
        raise BadConfig(f"{pod / 'ca.crt'}: the certificate authority can't be read: {error.strerror}") from None
    return Config(
        server,
        ca,
        token_file=pod / "token",
        namespace=_namespace(pod / "namespace"),
        proxy=proxy.of_environment(server, environment),
    )


def _namespace(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
