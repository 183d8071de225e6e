"""What to change in `starlink plan --add` for a server that it adds to take an instance."""

from collections.abc import Callable

from starlink.api.remedy import Change, Way
from starlink.scheduling.explaining.amounts import quantity
from starlink.scheduling.explaining.asking_less import Case
from starlink.scheduling.explaining.labelling import OF_THE_MACHINE, missing_labels
from starlink.scheduling.explaining.reasons import missing_features
from starlink.scheduling.explaining.verdicts import capacity_of, resource_of
from starlink.scheduling.filters import resource_filter


def words_to_add(case: Case) -> Way | None:
    """The words of `--add`, and the option `--pool`, that are wanting; None for a server that is there, or where
    words do not help."""
    if case.name not in case.fleet.planned:
        return None
    failing = case.verdicts.failing(case.server)
    words = [word for name in failing if name != "Pool" for word in _words(case, name)]
    if "" in words or not failing:
        return None
    changes = [Change("Write", value=",".join(dict.fromkeys(words)))] if words else []
    changes += [Change("GivePool", value=case.ask.pool)] if "Pool" in failing else []
    return Way(tuple(changes)) if changes else None


def _words(case: Case, name: str) -> tuple[str, ...]:
    words = _WORDS.get(name)
    if words:
        return words(case)
    return _amount(case, name) if name in _resources(case) else ("",)


def _amount(case: Case, name: str) -> tuple[str, ...]:
    """More of a resource; where another instance has taken it, a further server is what helps."""
    resource = resource_of(case.ask, name)
    asked = dict(case.ask.load.requests)[resource]
    if int(capacity_of(case.fleet, resource)[case.server]) >= asked:
        return ("",)
    return (f"{resource}={quantity(resource, asked, up=True)}",)


def _resources(case: Case) -> set[str]:
    return {resource_filter(resource) for resource, _ in case.ask.load.requests}


def _labels(case: Case) -> tuple[str, ...]:
    missing = missing_labels(case.fleet, case.ask, case.server)
    if any(key in OF_THE_MACHINE for key, _ in missing):
        return ("",)
    return tuple(f"label.{key}={value}" for key, value in missing)


_WORDS: dict[str, Callable[[Case], tuple[str, ...]]] = {
    "Architecture": lambda case: (f"arch={case.ask.architectures[0]}",),
    "Features": lambda case: tuple(f"feature={name}" for name in missing_features(case.fleet, case.ask, case.server)),
    "Selector": _labels,
}
