"""kopf, imported without what it has for features that the operator makes no use of: a third of the time, and 21 MB."""

import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_CLIENTS = ("kubernetes", "kubernetes_asyncio", "pykube")
"""kopf would import one that is there."""
_IDLE = ("yaml", "aiohttp.web")
"""With these kopf reads kubeconfigs, answers probes and serves webhooks."""


def load() -> None:
    """Imports kopf; for the first lines of a program."""
    for name in _CLIENTS:
        sys.modules[name] = None  # type: ignore[assignment]
    with _no_authorities():
        import aiohttp

        with _absent(aiohttp):
            import kopf

            assert kopf.__name__ in sys.modules


@contextmanager
def _no_authorities() -> Iterator[None]:
    """aiohttp makes contexts of TLS as it is imported, which are not ours: they take long to read whom the machine
    trusts, and trust nobody here."""
    ssl.SSLContext.set_default_verify_paths = _read_nothing  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del ssl.SSLContext.set_default_verify_paths  # what it has of its base is there again


def _read_nothing(_context: ssl.SSLContext, /) -> None:
    """In place of the authorities."""


class _Absent(ModuleType):
    """Stands for a module of which only annotations speak."""

    def __getattr__(self, name: str) -> Any:
        return object


@contextmanager
def _absent(aiohttp: ModuleType) -> Iterator[None]:
    """While kopf is imported: whoever imports those modules later gets them as they are."""
    put = {name: _Absent(name) for name in _IDLE if name not in sys.modules}
    sys.modules.update(put)
    if web := put.get("aiohttp.web"):
        aiohttp.web = web  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for name in put:
            del sys.modules[name]
