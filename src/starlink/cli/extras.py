"""What an install without extras lacks, in words. pip installs little unless it is asked for more, for the agents."""

import importlib.util

import click

OF_SERVER = (
    "OpenSSL", "cel_expr_python", "cryptography", "google.protobuf", "joserfc", "jsonschema_rs", "kopf",
    "numpy", "prometheus_client",
)  # fmt: skip
"""What the extra `server` brings."""
OF_ETCD = ("grpc",)
"""What the extra `etcd` brings beside it."""


def demand(verb: str, *, etcd: bool = False) -> None:
    """Raises ClickException when what a verb needs is not installed."""
    for module in (*OF_SERVER, *(OF_ETCD if etcd else ())):
        if not _is_there(module):
            raise click.ClickException(lacking(module, verb))


def lacking(module: str, verb: str = "") -> str:
    """What to install for a module that is not there, "" when no extra brings it."""
    if module.split(".")[0] not in {name.split(".")[0] for name in (*OF_SERVER, *OF_ETCD)}:
        return ""
    extra = "etcd" if module in OF_ETCD else "server"
    what = f"`starlink {verb}`" if verb else "this"
    return (
        f"{what} needs {module}, which is not installed: pip install 'starlink-orchestrator[{extra}]'. "
        "An install without extras is for agents, as on riscv64, for which not all of it is built: run "
        "`starlink up` on an amd64 or arm64 machine, and this one joins it with `starlink agent`"
    )


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False
