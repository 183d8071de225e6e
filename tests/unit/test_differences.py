"""The list of what StarLink's API server does otherwise than Kubernetes is of tests that are there."""

import pytest
from tests.conformance.differences import KNOWN, known
from tests.conftest import ROOT


@pytest.mark.parametrize("test", KNOWN)
def test_it_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    assert f"\ndef {name.partition('[')[0]}(" in (ROOT / "tests" / "conformance" / file).read_text()


def test_it_is_of_kubernetes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    tests = "tests/conformance/test_one.py::"
    monkeypatch.setitem(KNOWN, "test_one.py::test_all", "words")
    monkeypatch.setitem(KNOWN, "test_one.py::test_some[Uid]", "words")
    assert known(f"{tests}test_all[kubernetes]") == known(f"{tests}test_all[kubernetes-a]") == "words"
    assert known(f"{tests}test_some[kubernetes-Uid]") == "words"
    assert not known(f"{tests}test_some[kubernetes-User]")
    assert not known(f"{tests}test_all[starlink]")
