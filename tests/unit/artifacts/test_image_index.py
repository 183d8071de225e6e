"""Image indexes: which of our architectures an image is for, and which field of a broken one is wrong."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.artifacts.packages import INDEX, descriptor, index, plain_image, platform

from starlink.artifacts.errors import ArtifactError
from starlink.artifacts.image_index import MAX_MANIFESTS, architectures, judge, platforms

BLOB = b"{}"


def image(text: str, **fields: Any) -> dict[str, Any]:
    return descriptor(BLOB, platform=platform(text), **fields)


def found(*descriptors: dict[str, Any]) -> tuple[str, ...]:
    return architectures(platforms(index(*descriptors), {}))


def test_linux_images_in_our_words_and_order() -> None:
    listed = ("windows/amd64", "linux/riscv64", "linux/s390x", "linux/arm64/v8", "linux/arm/v7", "linux/amd64")
    assert found(*map(image, listed)) == ("amd64", "arm64", "riscv64")


def test_more_than_the_baseline_is_not_every_server_s() -> None:
    assert found(image("linux/amd64/v3"), image("linux/arm64/v9")) == ()


def test_attestations_and_signatures_are_no_images() -> None:
    signature = descriptor(BLOB, artifactType="application/vnd.example.signature")
    marked = descriptor(BLOB, annotations={"vnd.docker.reference.type": "attestation-manifest"})
    assert found(image("linux/arm64"), image("unknown/unknown"), signature, marked) == ("arm64",)


def test_docker_s_manifest_list_reads_the_same() -> None:
    made = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
            "manifests": [image("linux/amd64")]}  # fmt: skip
    assert architectures(platforms(json.dumps(made).encode(), {})) == ("amd64",)


def test_an_image_that_its_index_says_nothing_of_is_asked_itself() -> None:
    manifest, config = plain_image("linux/riscv64")
    inner = index(descriptor(manifest))
    blobs = {descriptor(blob)["digest"]: blob for blob in (manifest, config, inner)}
    answer = (("riscv64",), "OCI image index: linux/riscv64")
    assert judge(index(descriptor(manifest)), blobs) == answer
    assert judge(index(descriptor(inner, INDEX)), blobs) == answer


def test_an_index_without_an_image_of_ours_says_what_it_has() -> None:
    assert judge(index(image("windows/amd64")), {}) == ((), "OCI image index: windows/amd64")
    assert judge(index(), {}) == ((), "OCI image index: no image")


@pytest.mark.parametrize(("content", "said"), [
    (b"", "index.json is not readable"),
    (b"[]", "Expected `object`, got `array`"),
    (b'{"schemaVersion": 2}', "missing required field `manifests`"),
    (b'{"schemaVersion": 1, "manifests": []}', "schemaVersion is 1; it must be 2"),
    (b'{"schemaVersion": 2, "manifests": [{"digest": "a", "platform": {"os": 7}}]}', "$.manifests[0].platform.os"),
    (b'{"schemaVersion": 2, "manifests": [{"digest": "sha256:a"}]}', "manifests[0] digest is 'sha256:a', and no such"),
    (b'{"schemaVersion": 2, "manifests": [], "x": ' + b"[" * 100_000, "not readable"),
    (b'{"schemaVersion": 2, "manifests": [{"digest": "\xff"}]}', "not readable"),
    (index(*[image("linux/amd64")] * (MAX_MANIFESTS + 1)), "more than 1000"),
])  # fmt: skip
def test_errors_name_the_field(content: bytes, said: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        platforms(content, {})
    assert caught.value.reason == "ArtifactCorrupt" and said in str(caught.value)


def test_indexes_within_indexes_end() -> None:
    blobs: dict[str, bytes] = {}
    top = index(image("linux/amd64"))
    for _ in range(4):
        blobs[descriptor(top)["digest"]] = top
        top = index(*[descriptor(top, INDEX)] * 3)
    with pytest.raises(ArtifactError, match="nest them less deeply"):
        platforms(top, blobs)


def test_a_blob_under_a_wrong_name_is_refused() -> None:
    manifest, _ = plain_image("linux/amd64")
    with pytest.raises(ArtifactError, match="has another"):
        platforms(index(descriptor(manifest)), {descriptor(manifest)["digest"]: b"{}"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["manifests", "platform", "digest", "os", "schemaVersion"]), inner, max_size=4
        )
    ),
)


@given(json_values)
def test_any_json_is_read_or_refused(value: object) -> None:
    try:
        platforms(json.dumps(value).encode(), {})
    except ArtifactError as error:
        assert error.reason == "ArtifactCorrupt"
