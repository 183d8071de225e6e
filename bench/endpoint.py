"""An API server that answers on loopback, and what load asks of it."""

import contextlib
import json
import ssl
import urllib.request
from collections.abc import Callable, Iterator

from bench import load
from bench.load import Files
from bench.widgets import CRD

CONNECTIONS = 32


class Endpoint:
    """`files` are an administrator's."""

    def __init__(self, port: int, files: Files) -> None:
        self.port = port
        self.files = files

    def tls(self) -> ssl.SSLContext:
        """An administrator's."""
        return load.client_tls(*self.files, alpn="http/1.1")

    def define(self) -> None:
        """Gives it the CRD that it is measured with. Raises OSError."""
        self.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", json.dumps(CRD).encode())

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """One request by itself. Raises OSError."""
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.tls())
        )
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", body, headers, method=method)
        with opener.open(request, timeout=60) as answer:
            read: bytes = answer.read()
            return read

    def run(self, make: Callable[[int], bytes], numbers: Iterator[int], connections: int = CONNECTIONS) -> load.Tally:
        """Load from new connections. Raises RuntimeError when a request is refused."""
        context = self.tls()
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(load.connect(self.port, context)) for _ in range(connections)]
            tally = load.run(wires, [load.Http(make) for _ in wires], numbers)
        if refused := {status for status in tally.statuses if not status.startswith("2")}:
            raise RuntimeError(f"requests were refused: {refused}")
        return tally
