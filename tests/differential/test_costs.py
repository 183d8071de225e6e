"""Generated CRDs with rules: StarLink's API server takes and refuses what a real kube-apiserver does, for the same fields
and in the same words, with the same factors by which a cost is too high."""

import json
import os

import pytest
from tests.differential.comparison import Difference, compare
from tests.differential.conftest import DEFINITIONS
from tests.differential.schemas import definition
from tests.differential.wire import Ask
from tests.differential.worlds import Worlds
from tests.profiles import tries
from tests.turns import KUBERNETES

SEED = int(os.environ.get("STARLINK_FUZZ_SEED", "7"))
SCHEMAS = tries(300)
SHOWN = 10
_COMPILED = "compilation failed"
"""Of what does not compile each compiler has its own words."""


@pytest.mark.parametrize("server", [KUBERNETES])
def test_both_say_the_same_of_rules(worlds: Worlds, server: str) -> None:
    verdicts, unequal = set(), []
    for number in range(SCHEMAS):
        draft = definition(SEED, number)
        ask = Ask("POST", DEFINITIONS, json.dumps(draft), (("dryRun", "All"),))
        ours, real = worlds.both(ask)
        verdicts.add(real.code)
        if (ours.code, real.code) != (201, 201):
            found = [one for one in compare(ask, ours, real) if not is_compilers(one)]
            unequal += [f"schema {SEED}/{number} to {server}: {one}\n{spec_of(draft)}" for one in found]
    assert not unequal, f"{len(unequal)} differences:\n" + "\n".join(unequal[:SHOWN])
    assert verdicts == {201, 422}, "each verdict was tried"


def is_compilers(difference: Difference) -> bool:
    return difference.aspect == "words" and _COMPILED in difference.here and _COMPILED in difference.there


def spec_of(draft: dict[str, object]) -> str:
    return json.dumps(draft["spec"])
