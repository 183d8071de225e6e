"""How hard Hypothesis tries, in one place: `ci` is what `make test` runs, `soak` is what `make soak` runs, and `dev` is for
who runs some tests by hand.

No profile has a deadline, and none minds how long data takes to make: that a machine is busy is no failure.
"""

from hypothesis import HealthCheck, settings

_EXAMPLES = {"dev": 25, "ci": 100, "soak": 1_000}


def register() -> None:
    """Makes the profiles known; `--hypothesis-profile NAME` chooses another than `dev`."""
    for name, number in _EXAMPLES.items():
        settings.register_profile(
            name, max_examples=number, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
        )
    settings.load_profile("dev")


def examples(number: int) -> settings:
    """Settings that try `number` examples in `ci`, and fewer or more in the others."""
    return settings(max_examples=max(1, number * settings().max_examples // _EXAMPLES["ci"]))
