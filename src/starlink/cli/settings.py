"""What `up` and `agent` were told: kept in the data directory, and so at the next start until changed on purpose."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from starlink.cli.etcd import SQLITE, EtcdOptions
from starlink.files import durable, regular

_RIVALS = {"task_user": "task_uids", "task_uids": "task_user"}
"""Of these only one can be: who gives one takes the other back."""


class BadSettings(Exception):
    """Settings that can't be read; the message names the file and what to do."""


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every agent is told. "" is the default of each; paths are absolute."""

    name: str = ""
    address: str = ""
    artifact_dir: str = ""
    allow_local_artifacts: bool = False
    cache_size: str = ""
    cache_age: str = ""
    resources: tuple[str, ...] = ()
    task_user: str = ""
    task_uids: str = ""

    def arguments(self) -> Iterator[str]:
        """For `starlink_nodeagent`."""
        told = {
            "--name": self.name,
            "--address": self.address,
            "--artifact-dir": self.artifact_dir,
            "--cache-size": self.cache_size,
            "--cache-age": self.cache_age,
            "--task-user": self.task_user,
            "--task-uids": self.task_uids,
        }
        yield from _given(told)
        for resource in self.resources:
            yield from ("--resource", resource)
        if self.allow_local_artifacts:
            yield "--allow-local-artifacts"


class JoinedSettings(AgentSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `starlink agent` is told."""

    kubeconfig: str = ""
    context: str = ""
    server_namespace: str = ""
    log_level: str = "info"

    def arguments(self) -> Iterator[str]:
        told = {
            "--kubeconfig": self.kubeconfig,
            "--context": self.context,
            "--server-namespace": self.server_namespace,
            "--log-level": self.log_level,
        }
        yield from _given(told)
        yield from super().arguments()


def _given(told: Mapping[str, str]) -> Iterator[str]:
    """The options that have a value, each with the value behind it."""
    return (word for option, value in told.items() if value for word in (option, value))


class UpSettings(AgentSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `starlink up` is told."""

    listen: str = ""
    tls_san: tuple[str, ...] = ()
    durability: str = "full"
    etcd: EtcdOptions = SQLITE
    debug: bool = False


S = TypeVar("S", bound=AgentSettings)


def load(file: Path, type_: type[S], otherwise: str) -> S | None:
    """What was kept, None where nothing was. `otherwise` says what counts once the file is removed. Raises
    BadSettings."""
    try:
        return msgspec.json.decode(regular.read_whole(file), type=type_)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BadSettings(f"{file}: the settings can't be read: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadSettings(
            f"{file}: the settings can't be read: {_why(error)}; put it right, or use the newer StarLink that wrote "
            f"it, or remove it: then {otherwise}"
        ) from None


def save(file: Path, settings: AgentSettings) -> None:
    """Replaces them whole, mode 0600. Raises OSError."""
    durable.replace(file, msgspec.json.format(msgspec.json.encode(settings), indent=2) + b"\n")


def merged(kept: S, given: Mapping[str, Any]) -> S:
    """What is given wins, what is not is as it was kept."""
    back = {_RIVALS[field]: "" for field, value in given.items() if value and field in _RIVALS}
    return msgspec.structs.replace(kept, **{**back, **given})


def _why(error: Exception) -> str:
    """msgspec names the place, and the type of what is there, never a value; but what follows the JSON may be
    anything."""
    return str(error) if isinstance(error, msgspec.ValidationError) else "it is no JSON"
