"""What the API's refusals become: of each thing that is wrong what would be right, and nothing that only follows."""

import asyncio
from typing import Any, cast

import msgspec
import pytest
from tests import crds

from starlink.api.kinds import POOL, TASK, Kind
from starlink.cli.manifests import Manifest
from starlink.cli.placed import Placed
from starlink.cli.refusals import Refusals, schema_of
from starlink.client.errors import Forbidden, from_status
from starlink.client.kube import Client

META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
SCHEMA = crds.schema_of("tasks")
GVK = [{"group": TASK.group, "version": TASK.version, "kind": TASK.kind}]
SERVED = {
    "components": {
        "schemas": {
            META: {"type": "object", "properties": {"labels": {}, "name": {"type": "string"}}},
            "dev.starlink.v1alpha1.Task": {
                **SCHEMA,
                "properties": {**SCHEMA["properties"], "metadata": {"allOf": [{"$ref": f"#/components/schemas/{META}"}]}},
                "x-kubernetes-group-version-kind": GVK,
            },
        }
    }
}  # fmt: skip


class Cluster:
    """Serves the schemas, and says how often it was asked for them."""

    def __init__(self, served: Any = SERVED) -> None:
        self._served, self.asked = served, list[str]()

    async def raw(self, _method: str, path: str, **_: Any) -> bytes:
        self.asked.append(path)
        if self._served is None:
            raise Forbidden(403, "Forbidden", "no")
        return msgspec.json.encode(self._served)


def told(error: Any, spec: Any, kind: Kind = TASK, cluster: Cluster | None = None) -> str:
    body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "web"}, "spec": spec}
    one = Placed(kind, Manifest("web.yaml, document 1", body), "default")
    refusals = Refusals(cast("Client", cluster or Cluster()))
    return asyncio.run(refusals.told(one, error)).removeprefix("web.yaml, document 1:")


def invalid(*causes: tuple[str, str]) -> Any:
    found = [{"reason": "FieldValueInvalid", "message": message, "field": field} for field, message in causes]
    return from_status(422, {"reason": "Invalid", "message": "all of them", "details": {"causes": found}})


UNCHECKED = ("<nil>", 'Invalid value: "null": some validation rules were not checked because the object was invalid')
COMMAND = ("spec.template.command", 'Invalid value: "string": spec.template.command in body must be of type array: "s"')
LOST = (
    "spec.placement.lostAfter",
    "Invalid value: \"5 min\": spec.placement.lostAfter in body should match '^([0-9]+'",
)
RULE = ("spec", 'Invalid value: "object": String to Duration conversion failed evaluating rule: must be at least 12s')

KUBERNETES_RULE = (
    "spec",
    f'{RULE[1].partition("String")[0]}type conversion error from "string" evaluating rule: must be',
)


def test_of_one_that_is_told_the_hint_stands_alone() -> None:
    said = told(invalid(COMMAND, UNCHECKED), {"template": {"command": "sleep 1"}})
    right = 'must be a list of words, such as [python3, server.py]; for a shell line write [sh, -c, "…"]'
    assert said == f' spec.template.command: "sleep 1" {right}'


def test_what_follows_from_others_is_left_out_and_a_line_is_said_once() -> None:
    said = told(invalid(LOST, RULE, KUBERNETES_RULE, LOST), {"placement": {"lostAfter": "5 min"}})
    assert said == ' spec.placement.lostAfter: "5 min" must be a duration: write 5m'


def test_what_is_all_there_is_to_tell_is_told() -> None:
    assert told(invalid(RULE), {}) == (
        " spec: String to Duration conversion failed evaluating rule: must be at least 12s"
    )
    assert "some validation rules were not checked" in told(invalid(UNCHECKED), {})


def test_the_servers_words_stay_where_nothing_better_is_known() -> None:
    least = "should be greater than or equal to 0"
    causes = (
        ("spec.replicas", f"Invalid value: -1: spec.replicas in body {least}"),
        ("spec.template", 'Invalid value: "object": give a command, or an artifact whose ./start.sh is run'),
        ("metadata.name", 'Invalid value: "x": is taken'),
    )
    assert told(invalid(*causes), {"replicas": -1}).split("\n  ")[1:] == [
        f"spec.replicas: Invalid value: -1: {least}",
        "spec.template: give a command, or an artifact whose ./start.sh is run",
        'metadata.name: Invalid value: "x": is taken',
    ]


def test_of_resources_the_hint_stands_beside_what_the_rule_says() -> None:
    at = "spec.template.resources.requests"
    said = told(invalid((at, "Invalid value: cpus: a resource is cpu")), {"template": {"resources": {"requests": {"cpus": 1}}}})  # fmt: skip
    assert said == f" {at}: Invalid value: cpus: a resource is cpu (write cpu for cpus)"


NAMES = "Invalid value: cpus: a resource is cpu (write cpu for cpus)"
UNITS = "Invalid value: gpu is counted in whole units, such as 1"
BELOW = "Invalid value: -1: -1 is out of range; it must be from 0"


def test_a_hint_and_a_value_are_told_once_and_not_of_another_thing() -> None:
    at, requests = "spec.template.resources.requests", {"cpu": -1, "cpus": 1, "memory": 64, "gpu": "1500m"}
    said = told(invalid((at, NAMES), (at, UNITS), (f"{at}[cpu]", BELOW)), {"template": {"resources": {"requests": requests}}})  # fmt: skip
    assert said.split("\n  ")[1:] == [f"{at}: {NAMES}", f"{at}: {UNITS}", f"{at}[cpu]: -1 is out of range; it must be from 0"]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "message", "again", "line"),
    [
        (
            -1,
            "Invalid value: -1: spec.replicas in body should be greater than or equal to 0",
            "Invalid value: -1: should be a non-negative integer",
            "Invalid value: -1: should be greater than or equal to 0",
        ),
        (
            "two",
            'Invalid value: "string": spec.replicas in body must be of type integer: "string"',
            'Invalid value: "two": must be an integer',
            'must be of type integer: "string"',
        ),
    ],
)
def test_what_a_scale_reads_is_told_once(value: Any, message: str, again: str, line: str) -> None:
    both = invalid(("spec.replicas", message), UNCHECKED, (".spec.replicas", again))
    assert told(both, {"replicas": value}) == f" spec.replicas: {line}"
    assert told(invalid((".spec.replicas", again)), {"replicas": value}) == f" spec.replicas: {again}"


FIELDS = 'strict decoding error: unknown field "spec.replica", unknown field "metadata.label", duplicate field "spec.x"'


@pytest.mark.parametrize(
    "error",
    [
        from_status(400, {"message": f'Task in version "v1alpha1" cannot be handled as a Task: {FIELDS}'}),
        from_status(422, {"message": f'"" is invalid: patch: {FIELDS}', "details": {"causes": [
            {"field": "patch", "message": f'Invalid value: "{{\\"apiVersion\\": …}}": {FIELDS}'}]}}),
        from_status(400, {"message": FIELDS.replace('replica"', 'replica" (did you mean replicas?)')}),
    ],
    ids=["created", "patched", "hinted"],
)  # fmt: skip
def test_each_field_that_is_unknown_has_a_line_and_one_answer(error: Any) -> None:
    assert told(error, {}).split("\n  ")[1:] == [
        'unknown field "spec.replica" (did you mean replicas?)',
        'unknown field "metadata.label" (did you mean labels?)',
        'duplicate field "spec.x"',
    ]


def test_without_a_schema_the_server_speaks_and_habits_stay() -> None:
    error = from_status(400, {"message": 'strict decoding error: unknown field "spec.replica"'})
    assert told(error, {}, cluster=Cluster(None)) == ' unknown field "spec.replica"'
    image = from_status(400, {"message": 'strict decoding error: unknown field "spec.template.image"'})
    assert "(a Task runs a program, not an image: " in told(image, {}, cluster=Cluster(None))
    assert told(image, {}, Kind("tekton.dev", "v1", "Task", "tasks", True)) == ' unknown field "spec.template.image"'


def test_a_schema_is_asked_for_when_it_is_needed_and_once() -> None:
    cluster = Cluster()
    refusals = Refusals(cast("Client", cluster))
    manifest = Manifest("f", {"apiVersion": TASK.api_version, "kind": "Task", "metadata": {"name": "a"}, "spec": {}})

    async def some() -> None:
        await refusals.told(Placed(TASK, manifest, "default"), from_status(409, {"message": "busy"}))
        assert not cluster.asked
        for _ in range(3):
            await refusals.told(Placed(TASK, manifest, "default"), invalid(LOST))

    asyncio.run(some())
    assert cluster.asked == ["/openapi/v3/apis/starlink.dev/v1alpha1"]


def test_a_refusal_without_causes_is_told_as_it_is() -> None:
    assert told(from_status(403, {"message": "you may not"}), {}) == " you may not"


def test_of_a_policy_its_name_and_its_words_are_told() -> None:
    said = "ValidatingAdmissionPolicy 'p.example.com' with binding 'b' denied request: only robots may: be one"
    refused = from_status(
        403, {"reason": "Forbidden", "message": f"no: {said}", "details": {"causes": [{"message": said}]}}
    )
    assert told(refused, {}) == " policy p.example.com: only robots may: be one"


def test_a_schema_is_that_of_its_kind() -> None:
    assert "labels" in schema_of(TASK, SERVED)["properties"]["metadata"]["properties"]
    assert schema_of(POOL, SERVED) == {} == schema_of(TASK, {})
