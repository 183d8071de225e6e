"""The list of what StarLink's API server does otherwise than Kubernetes is of tests that are there."""

import pytest
from tests.conformance.differences import KNOWN, known
from tests.conftest import ROOT


@pytest.mark.parametrize("test", KNOWN)
def test_it_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    assert f"\ndef {name.partition('[')[0]}(" in (ROOT / "tests" / "conformance" / file).read_text()


def test_it_is_of_kubernetes_alone() -> None:
    tests = "tests/conformance/"
    assert known(f"{tests}test_list_watch.py::test_pages[kubernetes]")
    assert known(f"{tests}test_identity.py::test_somebody_must_be_impersonated[kubernetes-Uid]")
    assert not known(f"{tests}test_identity.py::test_somebody_must_be_impersonated[kubernetes-User]")
    assert not known(f"{tests}test_list_watch.py::test_pages[starlink]")
