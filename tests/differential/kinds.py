"""The kinds that are asked about, out of kinds.yaml."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from starlink.manifest import load_all

Obj = dict[str, Any]

NAMESPACE = "differential"
CRDS = Path(__file__).with_name("crds.yaml")
"""The kinds that the test brings."""


@dataclass(frozen=True)
class Kind:
    """One of kinds.yaml."""

    path: str
    plural: str
    object: Obj
    name: str = "{name}"
    cluster: bool = False
    custom: bool = False
    dry: bool = False
    shared: bool = False
    settled: str = ""
    weight: int = 1
    tails: tuple[str, ...] = ()

    @property
    def collection(self) -> str:
        return f"{self.path}/{self.plural}" if self.cluster else f"{self.path}/namespaces/{NAMESPACE}/{self.plural}"

    def named(self, word: str) -> str:
        return self.name.format(name=word)

    def made(self, word: str) -> Obj:
        """The object of a name."""
        obj: Obj = _filled(self.object, word)
        obj["metadata"] = {"name": self.named(word), **obj["metadata"]}
        return obj


def _filled(value: Any, word: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(part, word) for key, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, word) for part in value]
    return value.replace("{name}", word) if isinstance(value, str) else value


@cache
def kinds() -> tuple[Kind, ...]:
    """Those that are asked about."""
    path = Path(__file__).with_name("kinds.yaml")
    documents = load_all(path.read_text(), path.name)
    found = documents[0] if len(documents) == 1 else documents
    return tuple(Kind(**{**one, "tails": tuple(one.get("tails", ()))}) for one in found)
