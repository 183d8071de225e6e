"""CustomResourceDefinitions, and the life of what they define."""

from typing import Any

from tests.conformance.conftest import CRDS, GROUP, SECONDS, Crds, Http, causes, condition, gone
from tests.conftest import eventually

Obj = dict[str, Any]
HOLD = "conformance.example.com/hold"


def reason(obj: Obj, type_: str) -> tuple[str, str, str]:
    """The status, reason and message of a condition."""
    found = next(one for one in obj["status"]["conditions"] if one["type"] == type_)
    return found["status"], found["reason"], found["message"]


def test_established(http: Http, crd: Crds) -> None:
    widgets = crd()
    found = http.get(widgets.definition).expect(200)
    assert reason(found, "Established")[:2] == ("True", "InitialNamesAccepted")
    assert reason(found, "NamesAccepted") == ("True", "NoConflicts", "no conflicts found")
    status = found["status"]
    assert (status["acceptedNames"]["kind"], status["storedVersions"]) == (widgets.kind, ["v1"])
    assert found["metadata"]["generation"] == 1


def test_names_are_filled_in(http: Http, crd: Crds) -> None:
    draft = crd.draft()
    names = draft["spec"]["names"]
    draft["spec"]["names"] = {"plural": names["plural"], "kind": names["kind"]}
    spec = http.post(CRDS, draft).expect(201)["spec"]
    crd.installed(draft)
    assert spec["names"]["singular"] == names["kind"].lower()
    assert spec["names"]["listKind"] == f"{names['kind']}List"
    assert spec["conversion"] == {"strategy": "None"}


def test_names_that_are_taken(http: Http, crd: Crds) -> None:
    first = crd(names={"shortNames": ["cnfrmd"]})
    draft = crd.draft(names={"shortNames": ["cnfrmd"]})
    http.post(CRDS, draft).expect(201)
    path = f"{CRDS}/{draft['metadata']['name']}"
    try:
        eventually(
            lambda: condition(http.get(path).expect(200), "NamesAccepted") == "False", "the conflict told", SECONDS
        )
        found = http.get(path).expect(200)
        assert reason(found, "NamesAccepted") == ("False", "ShortNamesConflict", '"cnfrmd" is already in use')
        assert reason(found, "Established") == ("False", "NotAccepted", "not all names are accepted")
        assert http.get(f"/apis/{GROUP}/v1/{draft['spec']['names']['plural']}").status == 404
        http.delete(first.definition).expect(200)
        eventually(lambda: gone(http, first.definition), "the first CRD gone", SECONDS)
        eventually(lambda: condition(http.get(path).expect(200), "Established") == "True", "Established", SECONDS)
    finally:
        http.delete(path)


def test_kinds_that_are_taken(http: Http, crd: Crds) -> None:
    first = crd()
    draft = crd.draft(names={"kind": first.kind})
    http.post(CRDS, draft).expect(201)
    path = f"{CRDS}/{draft['metadata']['name']}"
    try:
        eventually(
            lambda: condition(http.get(path).expect(200), "NamesAccepted") == "False", "the conflict told", SECONDS
        )
        found = http.get(path).expect(200)
        assert reason(found, "NamesAccepted") == ("False", "KindConflict", f'"{first.kind}" is already in use')
    finally:
        http.delete(path)


def test_crds_that_are_none(http: Http, crd: Crds) -> None:
    def told(draft: Obj) -> dict[str, str]:
        status = http.post(CRDS, draft, dryRun="All").fails(422, "Invalid")
        assert (status["details"]["group"], status["details"]["kind"]) == (
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
        )
        return causes(status)

    draft = crd.draft()
    draft["metadata"]["name"] = f"other.{GROUP}"
    assert told(draft)["metadata.name"].endswith('must be spec.names.plural+"."+spec.group')
    schema = {"openAPIV3Schema": {"type": "object"}}
    both = [{"name": name, "served": True, "storage": True, "schema": schema} for name in ("v1", "v2")]
    found = told(crd.draft(versions=both))["spec.versions"]
    assert found.endswith("must have exactly one version marked as storage version")
    assert any(
        field.endswith("schema.openAPIV3Schema")
        for field in told(crd.draft(schema=None, versions=[{**both[0], "schema": {}}]))
    )
    assert "spec.names.plural" in told(crd.draft(names={"plural": "Not_So"}))


def test_what_of_a_crd_stays(http: Http, crd: Crds) -> None:
    widgets = crd()
    told = causes(http.patch(widgets.definition, {"spec": {"scope": "Cluster"}}).fails(422, "Invalid"))
    assert told["spec.scope"].endswith('"Cluster": field is immutable')
    told = causes(http.patch(widgets.definition, {"spec": {"names": {"kind": "Gadget"}}}).fails(422, "Invalid"))
    assert told["spec.names.kind"].endswith('"Gadget": field is immutable')


def test_cluster_scope(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(scope="Cluster")
    made = http.post(widgets.path(), widgets.obj("a")).expect(201)
    assert "namespace" not in made["metadata"]
    assert http.get(widgets.path("", "a")).expect(200) == made
    assert http.get(widgets.path(namespace)).status == 404


def test_deletion_takes_all_objects(http: Http, namespace: str, crd: Crds) -> None:
    draft = crd.draft()
    http.post(CRDS, draft).expect(201)
    widgets = crd.installed(draft)
    http.post(widgets.path(namespace), widgets.obj("a")).expect(201)
    http.delete(widgets.definition).expect(200)
    eventually(lambda: gone(http, widgets.definition), "the CRD gone", SECONDS)
    eventually(lambda: http.get(widgets.path(namespace)).status == 404, "its path gone", SECONDS)
    http.post(CRDS, draft).expect(201)
    crd.installed(draft)
    assert http.get(widgets.path(namespace)).expect(200)["items"] == []


def test_deletion_waits_for_finalizers(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd()
    http.post(widgets.path(namespace), widgets.obj("a", metadata={"finalizers": [HOLD]})).expect(201)
    http.delete(widgets.definition).expect(200)
    path = widgets.path(namespace, "a")
    eventually(lambda: http.get(path).expect(200)["metadata"].get("deletionTimestamp"), "the object marked", SECONDS)
    found = http.get(widgets.definition).expect(200)
    assert condition(found, "Terminating") == "True"
    assert found["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    refusal = http.post(widgets.path(namespace), widgets.obj("b")).fails(405, "MethodNotAllowed")
    assert refusal["message"] == "create not allowed while custom resource definition is terminating"
    http.patch(path, {"metadata": {"labels": {"a": "b"}}}).expect(200)
    held = http.get(path).expect(200)
    http.put(path, {**held, "metadata": {**held["metadata"], "labels": {"a": "c"}}}).expect(200)
    http.delete(path).expect(200)
    http.patch(path, {"metadata": {"finalizers": None}}).expect(200)
    eventually(lambda: gone(http, widgets.definition), "the CRD gone", SECONDS)
