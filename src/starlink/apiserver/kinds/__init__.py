"""The kinds that are there without a CRD: a YAML file a group, and the rules that no schema can say.

A file has `group`, `version` and `kinds`, each with its names, columns and schema. A schema may name a
shared part of `schema/meta.yaml` by `$ref`; keys beside it are laid over the part. `parts` is for anchors.
`strategies` says which of the rules are whose.
"""

from functools import cache
from pathlib import Path
from typing import Any

from starlink.apiserver.schema.meta import resolved
from starlink.data_files import load

Obj = dict[str, Any]
_FOLDER = Path(__file__).parent


@cache
def groups() -> tuple[Obj, ...]:
    """The files of all groups, with references resolved, in the order of their names."""
    return tuple(resolved(load(path)) for path in sorted(_FOLDER.glob("*.yaml")))
