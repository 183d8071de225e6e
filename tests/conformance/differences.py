"""Where StarLink's API server is unlike Kubernetes and known to be: docs/critiques.md says the same to users."""

from tests.turns import KUBERNETES, asks_kubernetes

KNOWN: dict[str, str] = {
    "test_crd_ratcheting.py::test_metadata_is_written_and_the_object_goes": "a write of metadata alone passes always",
    "test_crd_ratcheting.py::test_a_status_is_written": "a status is written whatever rules the spec breaks",
}
"""Why they differ, by the test that holds StarLink's way: `file.py::test`, with its parameters where only some do."""


def known(nodeid: str) -> str:
    """Why the test fails where it asks Kubernetes, "" when it must not."""
    if not asks_kubernetes(nodeid):
        return ""
    file, _, name = nodeid.rpartition("tests/conformance/")[2].partition("::")
    test, _, parameters = name.partition("[")
    own = parameters.removeprefix(KUBERNETES).removeprefix("-").removesuffix("]")
    return KNOWN.get(f"{file}::{test}[{own}]", KNOWN.get(f"{file}::{test}", ""))
