"""Which changes of a template make another revision, and so another instance."""

from typing import Any

import msgspec
import pytest

from starlink.api.revision import plain, revision
from starlink.api.template import Template

PROCESS = {"command": ["run"]}
DRIVER = {
    "runtime": "Driver",
    "driver": {"name": "haproxy", "operation": "serve", "spec": {"routes": [{"host": "a"}]}},
    "ports": [{"name": "admin", "port": 8404}],
    "resources": {"requests": {"cpu": "100m"}},
}


def of(template: dict[str, Any], **changes: Any) -> str:
    return revision(msgspec.convert({**template, **changes}, Template))


def driver(**changes: Any) -> dict[str, Any]:
    return {"driver": {**DRIVER["driver"], **changes}}  # type: ignore[dict-item]


def test_revisions_stay_what_they_are_from_version_to_version() -> None:
    """Another one would replace every instance at an upgrade."""
    assert (of(PROCESS), of(DRIVER)) == ("1e0b285e", "99eee3d8")


@pytest.mark.parametrize("spec", [{}, {"routes": []}, {"routes": [{"host": "b"}], "tls": True}])
def test_the_spec_of_a_driver_makes_no_other_revision(spec: Any) -> None:
    assert of(DRIVER, **driver(spec=spec)) == of(DRIVER)
    assert plain(msgspec.convert({**DRIVER, **driver(spec=spec)}, Template)).get("driver", {}).get("spec", {}) == spec


@pytest.mark.parametrize(
    "change",
    [
        driver(name="nginx"), driver(operation="check"), {"ports": []}, {"resources": {"requests": {"cpu": "200m"}}},
        {"env": [{"name": "A", "value": "b"}]}, {"stop": {"gracePeriod": "1m"}},
    ],
)  # fmt: skip
def test_all_else_of_a_driver_makes_another(change: Any) -> None:
    assert of(DRIVER, **change) != of(DRIVER)
