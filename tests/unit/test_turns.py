"""Which worker runs which tests."""

import pytest
from tests.turns import asks_kubernetes


@pytest.mark.parametrize(
    ("nodeid", "asks"),
    [
        ("tests/conformance/test_crud.py::test_it[kubernetes]", True),
        ("tests/conformance/test_crud.py::test_it[kubernetes-a-b]", True),
        ("tests/kube/test_demo.py::test_it", True),
        ("tests/conformance/test_crud.py::test_it[starlink-kubernetes]", False),
        ("tests/conformance/test_crud.py::test_it[kubernetes.io/arch]", False),
        ("tests/conformance/test_crud.py::test_kubernetes", False),
    ],
)
def test_who_asks_kubernetes(nodeid: str, asks: bool) -> None:
    assert asks_kubernetes(nodeid) is asks
