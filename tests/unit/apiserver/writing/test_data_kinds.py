"""What Secrets and ConfigMaps may hold."""

import base64
from typing import Any

import pytest

from starlink.apiserver.kinds import data_kinds
from starlink.apiserver.resources.resource import BadValue

MOST = data_kinds.MAX_DATA


def secret(type_: str = "Opaque", **data: bytes) -> dict[str, Any]:
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"metadata": {"name": "a"}, "type": type_, "data": encoded}


def fields(causes: Any) -> list[str]:
    return [cause.field for cause in causes]


def test_text_becomes_data() -> None:
    obj = {**secret(a=b"x"), "stringData": {"a": "y", "b": "z"}}
    data_kinds.prepare_secret(obj, None)
    assert obj == secret(a=b"y", b=b"z")


@pytest.mark.parametrize(("text", "place"), [("%", 0), ("dg=%", 3), ("dg", 2), ("dg==\ndg==", 9)])
def test_what_is_no_base64(text: str, place: int) -> None:
    with pytest.raises(BadValue, match=rf"data\[k\]: illegal base64 data at input byte {place}"):
        data_kinds.prepare_secret({"data": {"k": text}}, None)
    data_kinds.prepare_secret({"data": {"k": "dg=\r\n="}}, None)


@pytest.mark.parametrize("data", [None, 5, "x", {"k": None}, {"k": 5}])
def test_other_types_of_data_are_left_to_the_schema(data: Any) -> None:
    data_kinds.prepare_secret({"data": data, "stringData": {"a": "b"}}, None)


@pytest.mark.parametrize(("text", "field"), [(5, ""), ("x", ""), (["x"], ""), ({"k": 5}, "[k]"), ({"k": ["x"]}, "[k]")])
def test_text_of_another_type_is_refused_without_it(text: Any, field: str) -> None:
    with pytest.raises(BadValue, match=r"must be a (map of )?string") as refused:
        data_kinds.prepare_secret({"stringData": text}, None)
    assert refused.value.field == f"stringData{field}" and "x" not in str(refused.value)


@pytest.mark.parametrize("size", [MOST - 1, MOST, MOST + 1])
def test_sizes_are_of_what_is_decoded(size: int) -> None:
    wanted = ["data"] if size > MOST else []
    assert fields(data_kinds.check_secret(secret(k=b"x" * size), None)) == wanted
    of_config_map = data_kinds.check_config_map({"metadata": {}, "data": {"k": "x" * size}}, None)
    assert fields(of_config_map) == ([""] if wanted else [])


def test_known_types() -> None:
    assert fields(data_kinds.check_secret({"metadata": {}, "type": "Opaque", "data": {"": ""}}, None)) == ["data[]"]
    broken = secret("kubernetes.io/dockercfg", **{".dockercfg": b"{"})
    assert fields(data_kinds.check_secret(broken, None)) == ["data[.dockercfg]"]
    assert fields(data_kinds.check_secret(secret("kubernetes.io/ssh-auth"), None)) == ["data[ssh-privatekey]"]
    assert fields(data_kinds.check_secret(secret("kubernetes.io/basic-auth", password=b""), None)) == []


def test_keys_in_both_bags() -> None:
    causes = data_kinds.check_config_map({"metadata": {}, "data": {"k": ""}, "binaryData": {"k": ""}}, None)
    assert {cause.field: cause.message for cause in causes} == {
        "data[k]": 'Invalid value: "k": duplicate of key present in binaryData',
        "binaryData[k]": 'Invalid value: "k": duplicate of key present in data',
    }
