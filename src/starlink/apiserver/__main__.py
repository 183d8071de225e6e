"""The API server's process: `python -m starlink.apiserver --data-dir D --listen HOST:PORT`."""

# ruff: noqa: E402 - what comes first holds while the rest is imported
from starlink import collector

collector.rest()

import argparse
import asyncio
import datetime
import functools
import gc
import logging
import random
import secrets
import signal
import sys
import time
from pathlib import Path

import starlink
from starlink import log as logs
from starlink.apiserver import backend
from starlink.apiserver.handler import Api
from starlink.apiserver.kinds.builtin import builtin_resources
from starlink.apiserver.precedence import account
from starlink.apiserver.requests.audit import AuditLog
from starlink.apiserver.resources import encoding
from starlink.apiserver.resources.resource import Registry
from starlink.apiserver.security.authentication.authenticator import Authenticator
from starlink.apiserver.security.authentication.tokens import TokenIssuer
from starlink.apiserver.security.certificates.issuing import authority_signer
from starlink.apiserver.security.certificates.pki import Pki
from starlink.apiserver.security.certificates.serving import ServerCertificate
from starlink.http.server import HttpServer
from starlink.http.tls import TlsContext, TlsRefused
from starlink.store.base import StoreRefused, StoreUnavailable

log = logging.getLogger("starlink.apiserver")

KUBERNETES_VERSION = "v1.32.0"
GRACE_SECONDS = 5.0
SWITCH_SECONDS = 0.0001  # the store's writer must not wait for long until it may go on
GC_THRESHOLD = (20_000, 20, 20)  # a request makes hundreds of containers and hardly ever a cycle


def version() -> str:
    """What `/version` says."""
    return f"{KUBERNETES_VERSION}+starlink-{starlink.__version__}"


def main() -> None:
    collector.begin()
    gc.set_threshold(*GC_THRESHOLD)
    arguments = _parse(sys.argv[1:])
    logs.setup(arguments.log_level, "apiserver")
    try:
        asyncio.run(_serve(arguments))
    except (StoreRefused, StoreUnavailable, TlsRefused, OSError) as error:
        log.error("the API server can't start: %s", error)
        raise SystemExit(2) from None


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="starlink.apiserver")
    parser.add_argument("--data-dir", type=Path, required=True, help="where pki/ and store/ lie")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT", help="where to listen")
    parser.add_argument(
        "--tls-san", action="append", default=[], metavar="NAME", help="a further name that the certificate covers"
    )
    backend.add_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="serve /debug to administrators")
    parser.add_argument("--log-level", choices=logs.LEVELS, default="info")
    return parser.parse_args(argv)


async def _serve(arguments: argparse.Namespace) -> None:
    host, _, port = arguments.listen.rpartition(":")
    host = host.strip("[]")
    pki = Pki(arguments.data_dir / "pki", datetime.datetime.now(datetime.UTC))
    clock = functools.partial(datetime.datetime.now, datetime.UTC)
    certificate = ServerCertificate(pki.folder, host, clock, further=arguments.tls_san)
    tls = TlsContext(*certificate.issue(), pki.ca, renew=certificate.issue)
    store = backend.store(arguments)
    tokens = TokenIssuer(pki.token_key)
    registry = Registry(builtin_resources())
    authenticator = Authenticator(tokens, encoding.finder(store), time.time)
    at_end_of_turn = asyncio.get_running_loop().call_soon
    audit = AuditLog(arguments.data_dir / "logs" / "audit.log", time.time, later=at_end_of_turn)
    api = Api(
        store, registry, tokens, version=version(), authenticate=authenticator.of_token,
        now=time.time, clock=time.monotonic, rng=random.Random(secrets.randbits(256)), audit=audit,  # noqa: S311 - of names and UIDs, no secrets
        sign=authority_signer(pki.ca, pki.folder / "ca.key"), debugging=arguments.debug,
    )  # fmt: skip
    server = HttpServer(
        api.handle, authenticator, refused=api.refused, precheck=api.precheck, notes=audit, account=account
    )
    api.metrics.gauge("apiserver_connections", "Connections open now.", lambda: server.connections)
    api.metrics.gauge("apiserver_longrunning_requests", "Watches open now.", lambda: server.streams)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await api.start()
    bound = await server.start(host, int(port), tls)
    gc.freeze()  # schemas live for ever; the collector need not walk them
    sys.setswitchinterval(SWITCH_SECONDS)
    log.info("listening", extra={"host": host, "port": bound, "version": version()})
    await stopping.wait()
    log.info("stopping")
    async with asyncio.timeout(GRACE_SECONDS):
        await server.stop()
        await api.stop()


if __name__ == "__main__":
    main()
