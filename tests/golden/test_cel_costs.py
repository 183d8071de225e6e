"""Rules of schemas, and whether Kubernetes 1.32 lets them cost what they may: more than 200 schemas, with its own verdicts.

`cel_costs/schemas.yaml` says how its verdicts were got. Most schemas repeat their rule so often that the verdict has
the factor to six digits, so that any other estimate shows.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from starlink.apiserver import cel
from starlink.apiserver.cel.cost import limits

CASES = yaml.load((Path(__file__).parent / "cel_costs" / "schemas.yaml").read_text(), yaml.CSafeLoader)


def verdict(spec: Any) -> list[list[str]]:
    schema = {"type": "object", "properties": {"spec": spec}}
    told = ([cause.field.removeprefix("."), cause.message] for cause in cel.verify(schema, ""))
    return sorted(cause for cause in told if cause[1].startswith("Forbidden"))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_schema_costs_what_it_does_there(case: Any) -> None:
    assert verdict(case["spec"]) == [list(told) for told in case["refused"]]


def test_refused_and_accepted_ones_are_among_them() -> None:
    refused = [case for case in CASES if case["refused"]]
    exact = [case for case in refused if "factor of 1." in case["refused"][0][1]]
    assert len(refused) < len(CASES) and len(exact) > 150


def test_an_estimate_that_is_off_by_a_millionth_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(case for case in CASES if case["name"] == "self.l.all(x, x in self.l2)")
    monkeypatch.setattr(limits, "OF_EXPRESSION", limits.OF_EXPRESSION + 20)
    assert verdict(case["spec"]) != case["refused"]


def test_every_form_of_expression_is_among_them() -> None:
    texts = " ".join(str(case["spec"]) for case in CASES)
    assert all(word in texts for word in ("optMap", "sets.", "quantity(", "cidr(", ".?", "findAll(", "format.", "%s"))
