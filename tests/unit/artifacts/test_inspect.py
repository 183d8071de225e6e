"""Looking inside packages: what is found, and that nothing inside does harm."""

import io
import lzma
import random
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.profiles import examples
from tests.unit.artifacts.packages import Files, descriptor, elf, index, layout, plain_image, platform, tarred, zipped

from starlink.artifacts.elf import ARCHITECTURES
from starlink.artifacts.errors import ArtifactError
from starlink.artifacts.inspect import examine
from starlink.artifacts.limits import DEFAULT_LIMITS, Limits

APP: Files = {
    "start.sh": b"#!/bin/sh\nexec bin/app\n",
    "bin/app": elf("arm64"),
    "lib/libx.so.1": elf("amd64"),
    "empty": b"",
    "data": (b"x" * 100_000, 0o644),
}
LAYOUT = layout(index(descriptor(plain_image("linux/arm64")[0])), *plain_image("linux/arm64"))
SEEDS = [
    zipped(APP), zipped(APP, zipfile.ZIP_STORED), *(tarred(APP, c) for c in ("", "gz", "bz2", "xz")), tarred(LAYOUT),
]  # fmt: skip


def found(content: bytes, limits: Limits = DEFAULT_LIMITS) -> tuple[tuple[str, ...], str]:
    finding = examine(io.BytesIO(content), "d", "the archive", limits)
    return finding.architectures, finding.source


def failure(content: bytes, limits: Limits = DEFAULT_LIMITS) -> ArtifactError:
    with pytest.raises(ArtifactError) as caught:
        found(content, limits)
    assert "the archive" in str(caught.value)
    return caught.value


@pytest.mark.parametrize("content", SEEDS)
def test_every_format_is_looked_into(content: bytes) -> None:
    architectures, source = found(content)
    assert architectures == ("arm64",)
    assert source in ("ELF headers of 1 executable", "OCI image index: linux/arm64")


def test_a_package_of_scripts_runs_anywhere() -> None:
    scripts = {"start.sh": b"#!/bin/sh\n", "main.py": b"print()\n"}
    for content in (zipped(scripts), tarred(scripts), zipped({}), tarred({}, "gz")):
        assert found(content) == (ARCHITECTURES, "no ELF executables: runs anywhere its interpreter does")


def test_a_layout_is_an_image_and_its_index_decides() -> None:
    two = index(*(descriptor(b"{}", platform=platform(text)) for text in ("linux/amd64", "linux/riscv64")))
    for pack in (zipped, tarred):
        assert found(pack(layout(two)))[0] == ("amd64", "riscv64")
    dotted = {f"./{name}": content for name, content in layout(two).items()}
    assert found(tarred(dotted))[0] == ("amd64", "riscv64")
    assert found(tarred({"index.json": b"{}", "bin/app": elf("arm64")}))[0] == ("arm64",)


def test_a_broken_layout_names_the_field() -> None:
    with pytest.raises(ArtifactError, match="schemaVersion"):
        found(tarred(layout(b'{"schemaVersion": 3, "manifests": []}')))


@pytest.mark.parametrize(
    "content", [b"", b"x", b"x" * 2000, elf("amd64"), b"PK\x05\x06", b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\0"]
)
def test_what_is_no_archive_is_corrupt(content: bytes) -> None:
    assert failure(content).reason == "ArtifactCorrupt"


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x"])
def test_paths_that_escape_are_refused(name: str) -> None:
    for pack in (zipped, tarred):
        assert failure(pack({name: b"x"})).reason == "ArtifactUnsafePath"


def test_limits_are_those_of_unpacking() -> None:
    many = {str(number): b"" for number in range(20)}
    for pack in (zipped, tarred):
        assert failure(pack(many), Limits(files=10)).reason == "ArtifactTooLarge"
        assert failure(pack({"zeros": bytes(100_000)}), Limits(total_bytes=50_000)).reason == "ArtifactTooLarge"
    bomb = bytes(70 * 1024**2)
    assert "times its size" in str(failure(zipped({"zeros": bomb}), Limits(ratio=100)))
    assert "times its size" in str(failure(tarred({"zeros": bomb, "x": b""}, "gz"), Limits(ratio=100)))


def test_a_zip_whose_directory_lists_too_much_is_not_opened() -> None:
    start, _, end = zipped({"a": b""}).partition(b"PK\x01\x02")
    entry, _, tail = end.partition(b"PK\x05\x06")
    entry, count = b"PK\x01\x02" + entry, 10_001
    size = (count * len(entry)).to_bytes(4, "little")
    forged = start + entry * count + b"PK\x05\x06" + tail[:8] + size + tail[12:]
    assert "more than 10000 files" in str(failure(forged, Limits(files=10_000)))


def test_a_zip_with_rare_compression_is_refused() -> None:
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert "pack it stored (0) or deflated (8)" in str(failure(zipped({"a": b"x"}, method)))


def test_a_zip_member_without_a_name_is_refused() -> None:
    assert failure(zipped({"a": b"x"}).replace(b"a", b"\0")).reason == "ArtifactUnsafePath"


def test_a_tar_header_takes_no_memory() -> None:
    info = tarfile.TarInfo("x")
    info.pax_headers = {"comment": "x" * 2 * 1024**2}
    assert "has a header of more than" in str(failure(info.tobuf(tarfile.PAX_FORMAT) + bytes(1024)))
    longname = tarfile.TarInfo("y" * 300).tobuf(tarfile.GNU_FORMAT)[:1024]
    assert failure(longname * 900 + bytes(1024)).reason in ("ArtifactTooLarge", "ArtifactCorrupt")


def test_a_tar_member_can_not_lead_backwards() -> None:
    block = bytearray(tarfile.TarInfo("x").tobuf(tarfile.GNU_FORMAT))
    block[124:136] = (256**12 - 1024).to_bytes(12, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    first = tarred({"a": b"x"})[:1024]
    assert failure(first + bytes(block) + bytes(1024)).reason == "ArtifactCorrupt"


def test_xz_takes_no_more_memory_than_it_may() -> None:
    hungry = bytearray(lzma.compress(tarred(APP), format=lzma.FORMAT_ALONE))
    hungry[1:5] = (0x40000000).to_bytes(4, "little")
    assert "Memory usage limit" in str(failure(bytes(hungry)))


def test_links_and_devices_are_not_looked_at() -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo(f"m{kind!r}")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert found(made.getvalue())[0] == ARCHITECTURES


def mangled(content: bytes, seed: int, cuts: int) -> bytes:
    """Bytes changed, taken out and put in, most of them where headers are."""
    chance = random.Random(seed)
    made = bytearray(content)
    for _ in range(cuts):
        at = chance.choice(
            [chance.randrange(len(made)), chance.randrange(min(1024, len(made))), max(0, len(made) - 200)]
        )
        at = min(at + chance.randrange(64), len(made) - 1)
        match chance.randrange(4):
            case 0 | 1:
                made[at] = chance.choice([0, 0xFF, 0x80, chance.randrange(256)])
            case 2 if len(made) > 600:
                del made[at : at + chance.randrange(1, 512)]
            case _:
                made[at:at] = chance.randbytes(chance.randrange(1, 64))
    return bytes(made)


@examples(400)
@given(st.sampled_from(SEEDS), st.integers(0, 2**32), st.integers(1, 12))
def test_mangled_archives_are_read_or_refused(content: bytes, seed: int, cuts: int) -> None:
    broken = mangled(content, seed, cuts)
    try:
        assert set(found(broken)[0]) <= set(ARCHITECTURES)
    except ArtifactError as error:
        assert error.reason in ("ArtifactCorrupt", "ArtifactTooLarge", "ArtifactUnsafePath")


@examples(200)
@given(st.binary(max_size=2000))
def test_garbage_is_corrupt(content: bytes) -> None:
    assert failure(content).reason == "ArtifactCorrupt"
