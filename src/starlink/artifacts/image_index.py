"""The platforms of a container image, out of its index. Pure: JSON in, architectures out.

https://github.com/opencontainers/image-spec/blob/v1.1.0/image-index.md (index, platform),
https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md (index.json),
https://distribution.github.io/distribution/spec/manifest-v2-2/ (Docker's manifest list, which has the same shape).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from starlink.api.template import Architecture
from starlink.artifacts.elf import ARCHITECTURES
from starlink.artifacts.errors import ArtifactError

MAX_DEPTH = 3
MAX_MANIFESTS = 1000

_BASELINES: dict[Architecture, tuple[str, ...]] = {
    "amd64": ("", "v1"),
    "arm64": ("", "v8"),
    "riscv64": ("", "rva20u64"),
}
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_CONFIGS = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)


class Platform(msgspec.Struct, frozen=True):
    """What an image is built for, in the words of Go: GOOS, GOARCH and the variant of the processor."""

    architecture: str = ""
    os: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))

    @property
    def ours(self) -> Architecture | None:
        """Our word for it, when every server of that architecture runs it: linux, and no more than the baseline."""
        fits = (word for word, variants in _BASELINES.items() if self.architecture == word and self.variant in variants)
        return next(fits, None) if self.os == "linux" else None


class Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    digest: str
    media_type: str = ""
    artifact_type: str | None = None
    platform: Platform | None = None
    annotations: dict[str, str] | None = None

    @property
    def attestation(self) -> bool:
        """What is said about an image, not an image. https://docs.docker.com/build/metadata/attestations/"""
        unknown = self.platform is not None and (self.platform.os, self.platform.architecture) == ("unknown", "unknown")
        return unknown or "vnd.docker.reference.type" in (self.annotations or {}) or bool(self.artifact_type)


class Index(msgspec.Struct, frozen=True, rename="camel"):
    schema_version: int
    manifests: tuple[Descriptor, ...]


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    config: Descriptor


_Shape = TypeVar("_Shape")


def platforms(content: bytes, blobs: Mapping[str, bytes], name: str = "index.json") -> tuple[Platform, ...]:
    """The platforms of all images of an index or manifest list, attestations and signatures left out.

    An image whose descriptor names no platform is asked itself: its manifest and config are looked up in `blobs`, by
    digest. `name` is what errors call the index. Raises ArtifactError, ArtifactCorrupt, with the field that is wrong.
    """
    found: list[Platform] = []
    for platform in _platforms(_index(content, name), blobs, name, MAX_DEPTH):
        found.append(platform)
        if len(found) > MAX_MANIFESTS:
            raise _corrupt(name, f"has more than {MAX_MANIFESTS} images")
    return tuple(found)


def architectures(found: Sequence[Platform]) -> tuple[Architecture, ...]:
    """Our architectures among the platforms."""
    ours = {platform.ours for platform in found}
    return tuple(word for word in ARCHITECTURES if word in ours)


def judge(content: bytes, blobs: Mapping[str, bytes]) -> tuple[tuple[Architecture, ...], str]:
    """Where the image of an OCI layout runs, and how that is known. Raises ArtifactError as `platforms` does."""
    found = platforms(content, blobs)
    listed = ", ".join(list(dict.fromkeys(str(platform)[:60] for platform in found))[:8]) or "no image"
    return architectures(found), f"OCI image index: {listed}"


def _platforms(index: Index, blobs: Mapping[str, bytes], name: str, depth: int) -> Iterator[Platform]:
    if index.schema_version != 2:
        raise _corrupt(name, f"schemaVersion is {index.schema_version}; it must be 2")
    if len(index.manifests) > MAX_MANIFESTS:
        raise _corrupt(name, f"manifests has more than {MAX_MANIFESTS} entries")
    for number, descriptor in enumerate(index.manifests):
        where = f"{name}: manifests[{number}]"
        if descriptor.media_type in _INDEXES:
            if depth <= 1:
                raise _corrupt(where, f"is an index within {MAX_DEPTH} others; nest them less deeply")
            yield from _platforms(_index(_blob(descriptor, blobs, where), where), blobs, where, depth - 1)
        elif not descriptor.attestation:
            yield from _platform(descriptor, blobs, where)


def _platform(descriptor: Descriptor, blobs: Mapping[str, bytes], where: str) -> Iterator[Platform]:
    if descriptor.platform is not None:
        yield descriptor.platform
        return
    config = _decode(_blob(descriptor, blobs, where), Manifest, where).config
    if config.media_type in _CONFIGS:
        yield _decode(_blob(config, blobs, f"{where}: config"), Platform, f"{where}: config")


def _blob(descriptor: Descriptor, blobs: Mapping[str, bytes], where: str) -> bytes:
    content = blobs.get(descriptor.digest)
    if content is None:
        raise _corrupt(where, f"digest is {descriptor.digest[:80]!r}, and no such document is in the layout")
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != descriptor.digest:
        raise _corrupt(where, f"digest is {descriptor.digest!r}, but the blob of that name has another")
    return content


def _index(content: bytes, name: str) -> Index:
    return _decode(content, Index, name)


def _decode(content: bytes, shape: type[_Shape], name: str) -> _Shape:
    try:
        return msgspec.json.decode(content, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _corrupt(name, f"is not readable: {error}") from None


def _corrupt(name: str, why: str) -> ArtifactError:
    return ArtifactError("ArtifactCorrupt", f"{name} {why}")
