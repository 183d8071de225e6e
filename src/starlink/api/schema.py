"""Whether a cluster can hold this StarLink: its version, and the CRDs that are there. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from starlink.api.kinds import STARLINK_KINDS, VERSION

ANNOTATION = "starlink.dev/schema"
"""On each CRD: which schema it is of, a number."""
LEVEL = 2
"""The schema that this version needs. It is raised, here and in crds/, with each field that an earlier schema lacks: a
schema prunes what it does not know."""
OLDEST = (1, 30)
"""The Kubernetes since which the rules of CRDs, and admission policies, are for everybody."""
CRDS = tuple(f"{kind.plural}.{kind.group}" for kind in STARLINK_KINDS)
REMEDY = "apply those of this version: kubectl apply --server-side -f crds/"
"""What helps against each fault of a CRD."""
_NUMBER = re.compile(r"[0-9]{1,9}")


def too_old(version: Mapping[str, Any]) -> str:
    """What /version says against the cluster, in words; "" for nothing, and where it tells no version."""
    major, minor = _number(version.get("major")), _number(version.get("minor"))
    if major == 0 or (major, minor) >= OLDEST:
        return ""
    return f"the cluster is Kubernetes {major}.{minor}, and StarLink needs {'.'.join(map(str, OLDEST))} or newer"


def fault(name: str, crd: Mapping[str, Any] | None) -> str:
    """What is wrong with a CRD for this version, in words; "" for nothing. None is one that is not there."""
    if crd is None:
        return f"CRD {name} is not there"
    served = [str(one.get("name")) for one in crd["spec"].get("versions") or () if one.get("served")]
    if VERSION not in served:
        return f"CRD {name} serves {', '.join(served) or 'nothing'}, and this StarLink speaks {VERSION}"
    level = level_of(crd)
    if level < LEVEL:
        return f"CRD {name} is of schema {level}, and this StarLink needs {LEVEL}"
    return ""


def level_of(crd: Mapping[str, Any]) -> int:
    """The schema that a CRD is of, 0 where it does not say."""
    return _number((crd["metadata"].get("annotations") or {}).get(ANNOTATION))


def is_newer(crd: Mapping[str, Any]) -> bool:
    """Whether a CRD is of a schema of which this version may not know all."""
    return level_of(crd) > LEVEL


def _number(text: object) -> int:
    """The number with which a text begins, as in `29+`; 0 for none."""
    found = _NUMBER.match(text) if isinstance(text, str) else None
    return int(found[0]) if found else 0
