"""What a plan says of the objects, a file a case: objects as they are and as they would be in YAML, and below the line
what is told. `pytest tests/golden --rewrite` writes what is below the line anew; read the diff.

The case `documented` is the one that docs/plan.md shows.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import ROOT

from starlink.api.kinds import Kind
from starlink.cli.intended import Intended
from starlink.cli.manifests import Manifest
from starlink.cli.placed import Placed
from starlink.cli.plan_text import render_changes, render_hash

CASES = Path(__file__).parent / "changes"
LINE = "---\n"
_READABLE = {"metadata": {"uid": "u1", "generation": 1}}


def intended(given: dict[str, Any]) -> Intended:
    after = given["after"]
    namespace = after["metadata"].get("namespace", "")
    kind = Kind("", after["apiVersion"], after["kind"], f"{after['kind'].lower()}s", bool(namespace))
    before = given.get("before")
    if before is not None:
        before = {**before, "metadata": {**_READABLE["metadata"], **before["metadata"]}}
    seen = "unseen" not in given
    return Intended(Placed(kind, Manifest("f.yaml", after), namespace), before, after, given.get("unseen", ""), seen)


def told(case: dict[str, Any]) -> str:
    found = [intended(given) for given in case["objects"]]
    return render_changes(found, case.get("most")) + render_hash(
        found, ["-f", "f.yaml"], lambda words: f"starlink {words}"
    )


@pytest.mark.parametrize("path", sorted(CASES.glob("*.txt")), ids=lambda path: path.stem)
def test_what_is_told_is_as_written(path: Path, rewrite: bool) -> None:
    case, _, wanted = path.read_text().partition(LINE)
    found = told(yaml.safe_load(case))
    if rewrite:
        path.write_text(case + LINE + found)
    assert found == path.read_text().partition(LINE)[2]
    assert not wanted or "geheim" not in found


def test_the_documented_plan_is_the_golden_one() -> None:
    wanted = (CASES / "documented.txt").read_text().partition(LINE)[2]
    shown = "".join(f"    {line}\n" for line in wanted.splitlines())
    assert shown in (ROOT / "docs/plan.md").read_text()
