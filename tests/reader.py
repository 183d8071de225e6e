"""Objects of a standalone StarLink, read in this process: who polls starts no process for each look."""

import argparse
import contextlib
import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlink.api.kinds import ASSIGNMENT, EVENT, LEASE, NAMESPACE, POOL, SERVER, SERVICE_ACCOUNT, TASK, Kind
from starlink.client.config import BadConfig, Config, load
from starlink.client.kube import url

SECONDS = 15.0
_KINDS = (
    *(ASSIGNMENT, EVENT, LEASE, NAMESPACE, POOL, SERVER, SERVICE_ACCOUNT, TASK),
    Kind("", "v1", "ConfigMap", "configmaps", True),
    Kind("", "v1", "Secret", "secrets", True),
)
_NAMED = {name: kind for kind in _KINDS for name in (kind.plural, kind.kind.lower())}

_WORDS = argparse.ArgumentParser()
_WORDS.add_argument("kind", choices=_NAMED)
_WORDS.add_argument("name", nargs="?", default="")
_WORDS.add_argument("-n", dest="namespace")
_WORDS.add_argument("-A", dest="namespace", action="store_const", const="")
_WORDS.add_argument("-l", dest="selector", default="")


class Reader:
    """One connection with the rights of a kubeconfig, opened anew where the server or the kubeconfig is another."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._config: Config | None = None
        self._connection: http.client.HTTPSConnection | None = None

    def get(self, *words: str) -> dict[str, Any]:
        """What `starlink get WORDS -o json` prints; {} when it is not there or the API is away."""
        try:
            config = load(self._kubeconfig)
        except BadConfig:
            return {}
        if config != self._config:
            self.close()
            self._config = config
        asked = _WORDS.parse_args(words)
        namespace = (config.namespace or "default") if asked.namespace is None else asked.namespace
        path = url(_NAMED[asked.kind], namespace, asked.name)
        status, body = self._answer(config, f"{path}?{urlencode({'labelSelector': asked.selector})}")
        found: dict[str, Any] = json.loads(body) if status == 200 else {}
        return found

    def _answer(self, config: Config, path: str) -> tuple[int, bytes]:
        """Status and body; 0 where nobody answers. A kept connection may have died since: a fresh one says how it is."""
        if self._connection is not None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                return _asked(self._connection, path)
            self.close()
        self._connection = http.client.HTTPSConnection(config.host, config.port, timeout=SECONDS, context=config.tls())
        with contextlib.suppress(OSError, http.client.HTTPException):
            return _asked(self._connection, path)
        self.close()
        return 0, b""

    def close(self) -> None:
        """Whoever asks again opens a new connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _asked(connection: http.client.HTTPSConnection, path: str) -> tuple[int, bytes]:
    connection.request("GET", path)
    with connection.getresponse() as answer:
        return answer.status, answer.read()
