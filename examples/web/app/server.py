"""A small web service: says who it is, and whether it is well."""

import json
import os
import signal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """`/` says which instance answers, `/healthz` that it is well."""

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self._answer(200, "text/plain", b"ok\n")
        elif self.path == "/":
            self._answer(200, "application/json", json.dumps(whoami()).encode() + b"\n")
        else:
            self._answer(404, "text/plain", b"not found\n")

    def _answer(self, status: int, media: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def whoami() -> dict[str, str]:
    """What StarLink told this instance of itself."""
    names = ("TASK", "ASSIGNMENT", "SLOT", "SERVER")
    return {name.lower(): os.environ.get(f"STARLINK_{name}", "") for name in names}


def main() -> None:
    server = ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    print(f"serving on {server.server_port}", flush=True)
    server.serve_forever()


main()
