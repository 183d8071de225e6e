"""The hash of a plan: of what was planned, and of what it was planned upon. Pure.

It is `WHOLE` for one of many objects, else `WHOLE.PARTS`, with six digits an object: three of what is to be applied,
three of what is there. The whole decides; the parts are there to say what is another than planned.

Of what is there count uid, generation, labels and annotations, for statuses change by the second; of an object without
a generation, such as a ConfigMap, its resourceVersion does.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from starlink.cli.placed import Placed

Obj = Mapping[str, Any]
Pair = tuple[Placed, Obj | None]
"""What is to be applied, and what is there."""

_PARTS_OF = 20
_PART = 3
_WHOLE = 20
_NOTHING = "0" * _PART


def is_hash(text: str) -> bool:
    """Whether it looks like one."""
    return re.fullmatch(rf"[0-9a-f]{{{_WHOLE}}}(\.([0-9a-f]{{{2 * _PART}}}){{1,{_PARTS_OF}}})?", text) is not None


def version(current: Obj | None) -> str:
    """What an object's planned change rests on, "" where there is none."""
    if current is None:
        return ""
    meta = current["metadata"]
    if meta.get("generation") is None:
        return _canonical([meta["uid"], meta["resourceVersion"]])
    told = {key: meta.get(key) for key in ("uid", "generation", "labels", "annotations", "deletionTimestamp")}
    return _canonical(told)


def plan_hash(pairs: Sequence[Pair]) -> str:
    """The hash of applying these, in this order, to what is there."""
    digests = [_digests(*pair) for pair in pairs]
    whole = hashlib.sha256("".join(a + b for a, b in digests).encode()).hexdigest()[:_WHOLE]
    if len(pairs) > _PARTS_OF:
        return whole
    return f"{whole}.{''.join(a[:_PART] + b[:_PART] for a, b in digests)}"


def differences(hash_: str, pairs: Sequence[Pair]) -> list[str]:
    """What is another than the hash was made of, a line each; empty where it is all the same."""
    if hash_ == plan_hash(pairs):
        return []
    found = list(_told(hash_.partition(".")[2], pairs))
    return found or ["what was planned is not what these files declare now, or not upon what is there now"]


def _told(parts: str, pairs: Sequence[Pair]) -> Iterator[str]:
    count = len(parts) // (2 * _PART)
    if not parts or len(pairs) > _PARTS_OF:
        return
    if count != len(pairs):
        yield f"the plan was of {count} object{'s' if count != 1 else ''}, and the files hold {len(pairs)}"
        return
    for index, (one, current) in enumerate(pairs):
        planned = parts[2 * _PART * index : 2 * _PART * (index + 1)]
        wanted, there = (digest[:_PART] for digest in _digests(one, current))
        if wanted != planned[:_PART]:
            yield f"{one}: the file declares another than was planned ({one.manifest.where})"
        if there != planned[_PART:]:
            yield f"{one}: {_since(planned[_PART:], there)}"


def _since(planned: str, there: str) -> str:
    if planned == _NOTHING:
        return "it was made since"
    return "it was deleted since" if there == _NOTHING else "it was changed since"


def _digests(one: Placed, current: Obj | None) -> tuple[str, str]:
    wanted = _canonical([one.kind, one.place, one.manifest.body])
    there = version(current)
    return _digest(wanted, slow=one.kind.kind == "Secret"), _digest(there, slow=False) if there else "0" * _WHOLE


def _digest(text: str, *, slow: bool) -> str:
    """A Secret's is slow to make, for whoever sees the hash can try what may be in it."""
    content = text.encode()
    if slow:
        content = hashlib.scrypt(content, salt=b"starlink plan", n=2**14, r=8, p=1, dklen=32)
    return hashlib.sha256(content).hexdigest()[:_WHOLE]


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
