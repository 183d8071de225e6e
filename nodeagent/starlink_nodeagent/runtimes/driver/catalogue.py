"""Which drivers this installation has, as their `driver.json` files say. No driver is imported."""

import importlib.util
import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec

from starlink.api.shapes import Schema

log = logging.getLogger(__name__)

PACKAGE = "starlink_drivers"
_DECLARATION = "driver.json"


class Operation(msgspec.Struct, frozen=True):
    """The schemas of what an operation is told and of what it says it has found."""

    spec: Schema
    result: Schema


class Declaration(msgspec.Struct, frozen=True):
    """What a driver can do. `version` counts the changes of its schemas."""

    version: int
    operations: dict[str, Operation]


Catalogue = Mapping[str, Declaration]
"""By the driver's name."""


def installed() -> Catalogue:
    """The drivers of the installation to which the agent belongs."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = (spec.submodule_search_locations or ()) if spec is not None else ()
    return {name: found for folder in folders for name, found in _below(Path(folder))}


def _below(folder: Path) -> list[tuple[str, Declaration]]:
    return [
        (path.parent.name.replace("_", "-"), declaration)
        for path in sorted(folder.glob(f"*/{_DECLARATION}"))
        if (declaration := _read(path)) is not None
    ]


def _read(path: Path) -> Declaration | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Declaration)
    except (OSError, msgspec.MsgspecError) as error:
        log.error("a driver can't be used: %s", error, extra={"path": str(path)})
        return None
