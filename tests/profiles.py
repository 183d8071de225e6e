"""How hard the tests try, in one place.

Hypothesis: `push` is what `make test` runs, `ci` tries four times as many examples, for who changed what a property is
about, and `soak` is what `make soak` runs. Random requests and files of the tests' own: `tries`.

No profile has a deadline, and none minds how long data takes to make: that a machine is busy is no failure.
"""

import os

from hypothesis import HealthCheck, settings

_EXAMPLES = {"push": 25, "ci": 100, "soak": 1_000}


def register() -> None:
    """Makes the profiles known; `--hypothesis-profile NAME` chooses another than `push`."""
    for name, number in _EXAMPLES.items():
        settings.register_profile(
            name, max_examples=number, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
        )
    settings.load_profile("push")


def examples(number: int, push: int | None = None) -> settings:
    """Settings that try `number` examples in `ci`, and fewer or more in the others; `push` says how many `push` tries
    where an example is dear, or where fewer than a quarter find planted faults."""
    share = settings().max_examples
    if push is not None and share == _EXAMPLES["push"]:
        return settings(max_examples=push)
    return settings(max_examples=max(1, number * share // _EXAMPLES["ci"]))


def tries(number: int) -> int:
    """How many random things a test makes: `number` of them, or STARLINK_FUZZ times as many."""
    return number * int(os.environ.get("STARLINK_FUZZ", "1"))
