"""A real Kubernetes API server on loopback, over an etcd of its own, with the controllers that tests count on."""

import contextlib
import datetime
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import httpx
from cryptography.hazmat.primitives import serialization
from tests.etcd_server import EtcdServer
from tests.ports import free_ports
from tests.tools import KUBE_APISERVER, KUBE_CONTROLLER_MANAGER, KUBE_SCHEDULER

from starlink.apiserver.security.certificates.pki import Pki
from starlink.client.config import Config, render

START_SECONDS = 180.0
STOP_SECONDS = 30.0
SERVICES = "10.96.0.0/16"
CONTROLLERS = (
    "bootstrap-signer-controller", "certificatesigningrequest-approving-controller",
    "certificatesigningrequest-signing-controller", "clusterrole-aggregation-controller", "garbage-collector-controller",
    "namespace-controller", "root-ca-certificate-publisher-controller", "serviceaccount-controller",
    "serviceaccount-token-controller", "token-cleaner-controller", "validatingadmissionpolicy-status-controller",
)  # fmt: skip
"""What StarLink's API server does by itself."""
RATES = {"kube-api-qps": "5000", "kube-api-burst": "10000"}
"""Their own 20 to 50 a second are too few where namespaces, or Pods, come and go."""


class ControlPlane:
    """It is ready when it is made. Raises RuntimeError when it does not come up in time.

    Its logs are `*.log` in the folder, etcd's `m0.log`. `pki` signs who its users are. Of the controllers ("*": all
    that are on by default) none at all means no controller manager; `durable`: etcd syncs what it writes.
    """

    def __init__(
        self,
        folder: Path,
        controllers: Sequence[str] = CONTROLLERS,
        *,
        scheduler: bool = False,
        durable: bool = False,
    ) -> None:
        server = KUBE_APISERVER.path()
        clients = [(KUBE_CONTROLLER_MANAGER.path(), self._manager_flags)] if controllers else []
        clients += [(KUBE_SCHEDULER.path(), self._scheduler_flags)] if scheduler else []
        self._folder = folder
        self._controllers = controllers
        self.pki = Pki(folder / "pki", datetime.datetime.now(datetime.UTC))
        self.port, self._manager_port, self._scheduler_port = free_ports(3)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._etcd = EtcdServer(folder, flags=() if durable else ("--unsafe-no-fsync",))
        try:
            self._start(server, self._server_flags())
            self._wait()
            for program, flags in clients:
                self._start(program, flags())
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def config(self, user: str = "kubernetes-admin", groups: Sequence[str] = ("system:masters",)) -> Config:
        """How a user with a certificate of this name and these groups reaches it; by default an administrator."""
        certificate, key = self.pki.client(user, groups)
        url = f"https://127.0.0.1:{self.port}"
        return Config(url, self.pki.ca.read_bytes(), certificate.read_bytes(), key.read_bytes())

    def kubeconfig(self, user: str = "kubernetes-admin", groups: Sequence[str] = ("system:masters",)) -> Path:
        """The same, as a file."""
        path = self._folder / f"{user.replace(':', '-')}.kubeconfig"
        path.write_text(render(self.config(user, groups), user))
        return path

    @property
    def pids(self) -> dict[str, int]:
        """Its processes, by the names of their programs."""
        return {name: process.pid for name, process in self._processes.items()} | {"etcd": self._etcd.pids[0]}

    def stop(self) -> None:
        """Ends it, the API server's clients first."""
        for process in reversed(self._processes.values()):
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()
        self._etcd.stop()

    def _start(self, program: str, flags: dict[str, str]) -> None:
        words = [program, *(f"--{name}={value}" for name, value in flags.items())]
        name = Path(program).name
        with (self._folder / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _server_flags(self) -> dict[str, str]:
        certificate, key = self.pki.server(["127.0.0.1"])
        return {
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "secure-port": str(self.port),
            "endpoint-reconciler-type": "none",
            "service-cluster-ip-range": SERVICES,
            "etcd-servers": ",".join(self._etcd.endpoints),
            "client-ca-file": str(self.pki.ca),
            "tls-cert-file": str(certificate),
            "tls-private-key-file": str(key),
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": str(self._public_token_key()),
            "service-account-signing-key-file": str(self.pki.token_key),
            "authorization-mode": "Node,RBAC",
            "enable-bootstrap-token-auth": "true",
        }

    def _public_token_key(self) -> Path:
        private = serialization.load_pem_private_key(self.pki.token_key.read_bytes(), None)
        path = self._folder / "token.pub"
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        path.write_bytes(private.public_key().public_bytes(serialization.Encoding.PEM, form))
        return path

    def _manager_flags(self) -> dict[str, str]:
        kubeconfig = str(self.kubeconfig("system:kube-controller-manager", ()))
        return {
            "kubeconfig": kubeconfig,
            "authentication-kubeconfig": kubeconfig,
            "authorization-kubeconfig": kubeconfig,
            "bind-address": "127.0.0.1",
            "secure-port": str(self._manager_port),
            "leader-elect": "false",
            "controllers": ",".join(self._controllers),
            "use-service-account-credentials": "true",
            "root-ca-file": str(self.pki.ca),
            "service-account-private-key-file": str(self.pki.token_key),
            "cluster-signing-cert-file": str(self.pki.ca),
            "cluster-signing-key-file": str(self.pki.folder / "ca.key"),
            **RATES,
        }

    def _scheduler_flags(self) -> dict[str, str]:
        kubeconfig = str(self.kubeconfig("system:kube-scheduler", ()))
        return {
            "kubeconfig": kubeconfig,
            "authentication-kubeconfig": kubeconfig,
            "authorization-kubeconfig": kubeconfig,
            "bind-address": "127.0.0.1",
            "secure-port": str(self._scheduler_port),
            "leader-elect": "false",
            **RATES,
        }

    def _wait(self) -> None:
        """Until the API server says that it is ready."""
        tls = self.config().tls()
        assert tls is not None
        end = time.monotonic() + START_SECONDS
        with httpx.Client(verify=tls, trust_env=False) as client:
            while not self._is_ready(client):
                if self._processes["kube-apiserver"].poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"kube-apiserver did not come up: {self._last_words()}")
                time.sleep(0.1)

    def _is_ready(self, client: httpx.Client) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return client.get(f"https://127.0.0.1:{self.port}/readyz").status_code == 200
        return False

    def _last_words(self) -> str:
        return (self._folder / "kube-apiserver.log").read_text(errors="replace")[-2000:]
