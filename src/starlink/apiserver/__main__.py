"""The API server's process: `python -m starlink.apiserver --data-dir D --listen HOST:PORT`."""

import argparse
import asyncio
import datetime
import gc
import logging
import random
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import starlink
from starlink import log as logs
from starlink.apiserver import encoding
from starlink.apiserver.audit import AuditLog
from starlink.apiserver.authentication import Authenticator
from starlink.apiserver.builtin import builtin_resources
from starlink.apiserver.handler import Api
from starlink.apiserver.http import HttpServer, server_tls
from starlink.apiserver.pki import Pki
from starlink.apiserver.resource import Registry
from starlink.apiserver.tokens import TokenIssuer
from starlink.store.base import Key, Store, StoreRefused
from starlink.store.keyfile import KeyFile
from starlink.store.seal import AesGcmSeal
from starlink.store.sqlite import SqliteStore
from starlink.store.sqlite_file import Durability

log = logging.getLogger("starlink.apiserver")

KUBERNETES_VERSION = "v1.32.0"
GRACE_SECONDS = 5.0


def version() -> str:
    """What `/version` says."""
    return f"{KUBERNETES_VERSION}+starlink-{starlink.__version__}"


def main() -> None:
    arguments = _parse(sys.argv[1:])
    logs.setup(arguments.log_level, "apiserver")
    try:
        asyncio.run(_serve(arguments))
    except (StoreRefused, OSError) as error:
        log.error("the API server can't start: %s", error)
        raise SystemExit(2) from None


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="starlink.apiserver")
    parser.add_argument("--data-dir", type=Path, required=True, help="where pki/ and store/ lie")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT", help="where to listen")
    parser.add_argument(
        "--durability",
        choices=[level.value for level in Durability],
        default=Durability.FULL.value,
        help="what an acknowledged write outlives: full, a power cut; normal, a crash of this process",
    )
    parser.add_argument(
        "--encryption-key",
        type=Path,
        metavar="FILE",
        help="the keys that seal secrets on the disk, made when it is not there [store/encryption.key]",
    )
    parser.add_argument("--log-level", choices=logs.LEVELS, default="info")
    return parser.parse_args(argv)


async def _serve(arguments: argparse.Namespace) -> None:
    host, _, port = arguments.listen.rpartition(":")
    host = host.strip("[]")
    pki = Pki(arguments.data_dir / "pki", datetime.datetime.now(datetime.UTC))
    certificate, key = pki.server(_covered(host))
    store = _store(arguments)
    tokens = TokenIssuer(pki.token_key)
    registry = Registry(builtin_resources())
    authenticator = Authenticator(tokens, account_lookup(store), time.time)
    audit = AuditLog(arguments.data_dir / "logs" / "audit.log", time.time)
    api = Api(
        store, registry, tokens, version=version(), authenticate=authenticator.of_token,
        now=time.time, clock=time.monotonic, rng=random.SystemRandom(), audit=audit,
    )  # fmt: skip
    server = HttpServer(api.handle, authenticator)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await api.start()
    bound = await server.start(host, int(port), server_tls(str(certificate), str(key), str(pki.ca)))
    gc.collect()
    gc.freeze()  # schemas and code live for ever; the collector need not walk them
    log.info("listening", extra={"host": host, "port": bound, "version": version()})
    await stopping.wait()
    log.info("stopping")
    async with asyncio.timeout(GRACE_SECONDS):
        await server.stop()
        await api.stop()


def _store(arguments: argparse.Namespace) -> SqliteStore:
    database = arguments.data_dir / "store" / "starlink.db"
    keys = KeyFile.open(arguments.encryption_key or database.with_name("encryption.key"))
    return SqliteStore(database, seal=AesGcmSeal(keys), durability=Durability(arguments.durability))


def _covered(host: str) -> list[str]:
    """The names that a client may use for a listening address."""
    if host not in ("", "0.0.0.0", "::"):  # noqa: S104
        return [host]
    found = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def account_lookup(store: Store) -> Callable[[str, str], str | None]:
    """A function from a ServiceAccount's namespace and name to its UID, None when it is gone."""

    def uid(namespace: str, name: str) -> str | None:
        record = store.get(Key("/serviceaccounts", namespace, name))
        return str(encoding.raw(record)["metadata"]["uid"]) if record else None

    return uid


if __name__ == "__main__":
    main()
