"""Whom a taint keeps out."""

from starlink.scheduling.ask import Toleration
from starlink.scheduling.fleet import Taint


def keeps_out(taint: Taint, tolerations: tuple[Toleration, ...]) -> bool:
    """Whether the taint forbids a server to those who have only these tolerations."""
    return taint.effect != "PreferNoSchedule" and not tolerated(taint, tolerations)


def tolerated(taint: Taint, tolerations: tuple[Toleration, ...]) -> bool:
    """Whether one of the tolerations puts up with the taint.

    https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
    """
    return any(
        (toleration.key is None or toleration.key == taint.key)
        and (toleration.effect is None or toleration.effect == taint.effect)
        and (toleration.operator == "Exists" or toleration.value == taint.value)
        for toleration in tolerations
    )
