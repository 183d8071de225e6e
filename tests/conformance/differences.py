"""Where StarLink's API server is unlike Kubernetes and known to be: docs/critiques.md says the same to users."""

from tests.turns import KUBERNETES, asks_kubernetes

KNOWN: dict[str, str] = {
    "test_admission.py::test_reasons[Unauthorized-401]": "a policy may answer 401 here",
    "test_bodies.py::test_unknown_media": "a 406 is said in one way for all kinds",
    "test_crd.py::test_cluster_scope": "a path that is not served is answered with a Status",
    "test_crd_ratcheting.py::test_metadata_is_written_and_the_object_goes": "a write of metadata alone passes always",
    "test_crd_ratcheting.py::test_a_status_is_written": "a status is written whatever rules the spec breaks",
    "test_crd_schemas.py::test_embedded_resources": "what is missing of an embedded object is said as any other field",
    "test_crd_values.py::test_list_maps_and_sets_have_no_twins": "a twin is shown as JSON and not as Go prints it",
    "test_crd_versions.py::test_stored_versions": "of a stored version that goes it is said why it must stay",
    "test_delete.py::test_held_namespaces_say_why": "finalizers that remain are told in other words",
    "test_delete.py::test_propagation_policies_that_are_none": "options that can't be read are a 400 and no 500",
    "test_discovery.py::test_openapi_index_and_documents": "the index of OpenAPI v3 is JSON also by its type",
    "test_discovery.py::test_openapi_with_an_old_hash_leads_to_the_new": "the index of OpenAPI v3 is JSON also by its type",
    "test_identity.py::test_somebody_must_be_impersonated[Extra-Scopes]": "impersonating nobody is a 400 and no 500",
    "test_identity.py::test_somebody_must_be_impersonated[Group]": "impersonating nobody is a 400 and no 500",
    "test_identity.py::test_somebody_must_be_impersonated[Uid]": "impersonating nobody is a 400 and no 500",
    "test_list_watch.py::test_pages": "a list that is whole has no empty `continue`",
    "test_list_watch.py::test_table_of_a_list": "the column Data of a ConfigMap is of type integer",
    "test_openapi_v2.py::test_both_media_say_the_same_as_v3": "parameters are not shared in OpenAPI v2",
    "test_openapi_v2.py::test_each_reference_leads_to_a_definition": "parameters are not shared in OpenAPI v2",
    "test_patch.py::test_a_json_patch_has_a_most_of_operations": "too many operations are told in other words",
    "test_patch.py::test_json_patches_of_what_is_not_there[operation1-data1]": "no patch breaks the connection",
    "test_patch.py::test_json_patches_that_do_not_fit[operation9]": "the words of a patch that leaves no object",
    "test_protobuf.py::test_custom_kinds_have_no_protobuf": "protobuf of a custom kind is a 415 and no broken connection",
    "test_rbac_writes.py::test_bad_bindings[account without namespace]": "a ServiceAccount without namespace is refused",
    "test_validation.py::test_owner_references": "a missing name of an owner is told with its index",
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
