"""Archives that want out of their directory, or more than there is: each by name."""

import gzip
import io
import lzma
import os
import resource
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from tests.attack.archives import (
    END,
    PACKERS,
    Item,
    folder,
    forged,
    gnu_long_name,
    gnu_sparse,
    link,
    listed,
    pax_header,
    pax_sparse,
    tar,
    zip_of,
)

from starlink.artifacts.errors import ArtifactError
from starlink.artifacts.inspect import examine
from starlink.artifacts.limits import DEFAULT_LIMITS, Limits
from starlink.artifacts.unpack import unpack

FORMS = [("gnu", ""), ("pax", "gz"), ("gnu", "bz2"), ("pax", "xz")]


def unpacked(content: bytes, target: Path, limits: Limits = DEFAULT_LIMITS) -> Path:
    unpack(io.BytesIO(content), target, "the archive", limits)
    return target


def refusal(content: bytes, scratch: Path, limits: Limits = DEFAULT_LIMITS) -> ArtifactError:
    """Why it is refused; nothing is left of it, nor anything else changed, and the message is short and printable."""
    target = scratch / "one" / "two" / "work"
    target.parent.mkdir(parents=True)
    (scratch / "sentinel").write_text("s")
    before = names(scratch)
    with pytest.raises(ArtifactError) as caught:
        unpacked(content, target, limits)
    assert names(scratch) == before
    assert len(str(caught.value)) < 700 and str(caught.value).isprintable()
    return caught.value


def names(root: Path) -> dict[str, int]:
    return {str(path): path.lstat().st_mode for path in root.rglob("*")}


@pytest.mark.parametrize(("form", "packing"), FORMS)
@pytest.mark.parametrize("items", [
    [link("a", "."), link("b", "a/.."), folder("b/out")],
    [link("a", "."), link("b", "a/.."), Item("b/out", b"x")],
    [link("a", "."), link("b", "a/..")],
    [link("b", "a/.."), link("a", ".")],
    [folder("d"), link("d/a", ".."), link("b", "d/a/../..")],
    [link("a", "b"), link("b", "c"), link("c", "d/e"), folder("d"), link("d/e", "../.."), Item("x")],
    [folder("d/e"), link("l", "d/e"), link("m", "l/../../..")],
    [link("a", ".."), folder("a/out")],
    [link("a", "x/../../y")],
    [link("a", "../" * 300)],
])  # fmt: skip
def test_links_that_together_lead_out_are_refused(tmp_path: Path, items: list[Item], form: str, packing: str) -> None:
    assert refusal(tar(*items, form=form, packing=packing), tmp_path).reason == "ArtifactUnsafePath"


@pytest.mark.parametrize("below", [folder("l/new"), Item("l/new", b"x"), link("l/new", "x"), Item("l/d/new")])
@pytest.mark.parametrize("first", [True, False])
def test_nothing_lies_below_a_link(tmp_path: Path, below: Item, first: bool) -> None:
    items = [link("l", "inside"), below] if first else [below, link("l", "inside")]
    error = refusal(tar(folder("inside"), *items), tmp_path)
    assert error.reason == "ArtifactUnsafePath" and "'l'" in str(error)


def test_links_of_real_packages_are_made(tmp_path: Path) -> None:
    content = tar(
        link("lib", "usr/lib"), Item("usr/lib/libx.so.1.2", b"x"), link("usr/lib/libx.so.1", "libx.so.1.2"),
        link("usr/lib/libx.so", "libx.so.1"), Item("node_modules/pkg/cli.js", b"j", mode=0o755),
        link("node_modules/.bin/pkg", "../pkg/cli.js"), link("current", "./usr/../usr"), link("dangling", "nowhere/x"),
        link("usr/self", ".."),
    )  # fmt: skip
    out = unpacked(content, tmp_path / "out")
    assert (out / "lib/libx.so").read_bytes() == b"x"
    assert (out / "node_modules/.bin/pkg").read_bytes() == b"j"
    assert (out / "current").resolve() == out / "usr" and (out / "usr/self").resolve() == out


def test_links_in_a_circle_and_endless_chains_are_refused(tmp_path: Path) -> None:
    assert "leads through more than" in str(refusal(tar(link("a", "b"), link("b", "a")), tmp_path / "circle"))
    chain = [link(f"l{number}", f"l{number + 1}") for number in range(60)]
    assert "leads through more than" in str(refusal(tar(*chain), tmp_path / "chain"))
    tower = [link("l0", "."), *(link(f"l{n}", f"l{n - 1}/l{n - 1}") for n in range(1, 40))]  # 2**39 steps
    assert "leads through more than" in str(refusal(tar(*tower), tmp_path / "tower"))


@pytest.mark.parametrize("items", [
    [Item("a", b"x"), Item("a/b", b"y")],
    [Item("a", b"x"), folder("a")],
    [folder("a"), Item("a", b"x")],
    [Item("a/b", b"x"), link("a", "c")],
    [link("a", "b"), folder("a")],
    [Item(".", b"x")],
    [Item("./", b"x")],
    [link("./.", "x")],
])  # fmt: skip
def test_a_path_is_a_directory_or_something_else(tmp_path: Path, items: list[Item]) -> None:
    error = refusal(tar(*items, form="gnu"), tmp_path)
    assert error.reason == "ArtifactUnsafePath" and (
        "too; pack it anew" in str(error) or "without a name" in str(error)
    )


def test_of_a_path_that_comes_twice_the_last_counts(tmp_path: Path) -> None:
    items = [
        Item("a", b"long content"), Item("a", b"x"), link("b", "a"), Item("b", b"y"), Item("c", b"z"), link("c", "a"),
        folder("d"), folder("./d//"), Item("d/A"), Item("d/a", b"twin"),
    ]  # fmt: skip
    out = unpacked(tar(*items), tmp_path / "out")
    assert [(out / name).read_bytes() for name in "abc"] == [b"x", b"y", b"x"]
    assert not (out / "b").is_symlink() and (out / "c").is_symlink()
    assert {path.name for path in (out / "d").iterdir()} == {"A", "a"}
    assert (unpacked(zip_of(Item("a", b"1"), Item("a", b"2")), tmp_path / "zip") / "a").read_bytes() == b"2"


@pytest.mark.parametrize("make", [tar, zip_of])
@pytest.mark.parametrize(("name", "reason"), [
    ("../x", "ArtifactUnsafePath"), ("/x", "ArtifactUnsafePath"), ("a/../x", "ArtifactUnsafePath"),
    ("a\\..\\x", "ArtifactUnsafePath"), ("/".join("d" * 5000), "ArtifactCorrupt"), ("x" * 256, "ArtifactCorrupt"),
    ("é" * 128, "ArtifactCorrupt"), ("/".join(["x" * 200] * 20), "ArtifactCorrupt"), ("a\n/" * 200, "ArtifactCorrupt"),
])  # fmt: skip
def test_names_that_no_directory_takes_are_refused(tmp_path: Path, make, name: str, reason: str) -> None:  # type: ignore[no-untyped-def]
    assert refusal(make(Item(name, b"x")), tmp_path / "file").reason == reason
    assert refusal(make(folder(name)), tmp_path / "folder").reason == reason
    assert refusal(tar(link(name, "x")), tmp_path / "link").reason == reason


def test_a_nul_in_a_name_is_refused(tmp_path: Path) -> None:
    assert refusal(tar(Item("a", pax={"path": "a\0b"}), form="pax"), tmp_path / "pax").reason == "ArtifactUnsafePath"
    content = zip_of(Item("a#b")).replace(b"a#b", b"a\0b")
    assert refusal(content, tmp_path / "zip").reason == "ArtifactUnsafePath"


def test_odd_names_that_a_file_system_takes_are_kept(tmp_path: Path) -> None:
    odd = ["a\nb", "x" * 255, "é" * 127, "-rf", " ", "\udcff\udcfe", "..a", "...", "/".join("d" * 128)]
    for form in ("gnu", "pax"):
        out = unpacked(tar(*(Item(name, b"x") for name in odd), form=form), tmp_path / form)
        assert all((out / name).read_bytes() == b"x" for name in odd)


@pytest.mark.parametrize("kind", [
    tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"D", b"\xff",
])  # fmt: skip
def test_what_is_no_file_directory_or_link_is_refused_by_name(tmp_path: Path, kind: bytes) -> None:
    block = forged(tarfile.TarInfo("the-device").tobuf(tarfile.GNU_FORMAT), kind=(156, kind))
    error = refusal(block + END, tmp_path)
    assert error.reason == "ArtifactUnsafePath" and "the-device" in str(error)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.LNKTYPE])
def test_zips_hold_files_and_directories_alone(tmp_path: Path, kind: bytes) -> None:
    error = refusal(zip_of(Item("the-link", kind=kind, target="/etc/passwd")), tmp_path)
    assert error.reason == "ArtifactUnsafePath" and "the-link" in str(error)


def hard(name: str, target: str) -> Item:
    return Item(name, kind=tarfile.LNKTYPE, target=target)


@pytest.mark.parametrize(("form", "packing"), FORMS)
def test_hard_links_are_names_of_one_file(tmp_path: Path, form: str, packing: str) -> None:
    long = "/".join(["deep" * 20] * 3)
    items = [
        Item("bin/git", b"x" * 1000, mode=0o755), hard("bin/git-add", "bin/git"), hard("other/new/git", "./bin/git-add"),
        link("l", "bin/git"), hard("bin/l", "l"), Item(long, b"y"), hard("short", long), hard("bin/git", "bin/git"),
    ]  # fmt: skip
    out = unpacked(tar(*items, form=form, packing=packing), tmp_path / "out")
    assert os.path.samefile(out / "bin/git", out / "bin/git-add") and os.path.samefile(
        out / "bin/git", out / "other/new/git"
    )
    about = (out / "bin/git").stat()
    assert (about.st_nlink, stat.S_IMODE(about.st_mode), about.st_size) == (3, 0o755, 1000)
    assert (out / "bin/l").readlink() == Path("bin/git") and (out / "short").read_bytes() == b"y"


def test_a_later_member_of_a_hard_links_path_is_a_file_of_its_own(tmp_path: Path) -> None:
    out = unpacked(
        tar(Item("a", b"1"), hard("b", "a"), Item("b", b"2"), Item("c", b"3"), hard("a", "c")), tmp_path / "out"
    )
    assert [(out / name).read_bytes() for name in "abc"] == [b"3", b"2", b"3"]


@pytest.mark.parametrize("items", [
    [hard("l", "/etc/passwd")], [hard("l", "../../sentinel")], [hard("l", "../../../sentinel")], [hard("l", "later"), Item("later")],
    [hard("l", "")], [hard("l", ".")], [folder("d"), hard("l", "d")], [hard("l", "l")], [link("d", ".."), hard("l", "d/x")],
    [link("d", ".."), hard("d/x", "a"), Item("a")], [Item("a"), hard("../x", "a")], [Item("a"), hard("/x", "a")],
    [Item("a"), hard("", "a")], [Item("a"), folder("d"), hard("d", "a")], [Item("a"), hard("a/b", "a")],
    [link("e", "../../sentinel"), hard("l", "e")],
])  # fmt: skip
def test_hard_links_to_what_was_not_put_there_are_refused(tmp_path: Path, items: list[Item]) -> None:
    assert refusal(tar(*items), tmp_path).reason == "ArtifactUnsafePath"


def test_hard_links_count_as_files(tmp_path: Path) -> None:
    content = tar(Item("a", b"x"), *(hard(f"l{number}", "a") for number in range(20)))
    assert refusal(content, tmp_path, Limits(files=15)).reason == "ArtifactTooLarge"


def without_modes(*names: str, attributes: int = 0x20) -> bytes:
    """A zip as packers of Windows write it: no modes, and a separator of their own."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo("a")
            info.filename, info.create_system, info.external_attr = name, 0, attributes
            archive.writestr(info, b"" if name.endswith("\\") else b"x")
    return made.getvalue()


@pytest.mark.parametrize(
    "attributes", [0x20, 0o100666 << 16 | 0x20, 0o100600 << 16], ids=["7-Zip", "Python", "in memory"]
)
def test_zips_of_windows_are_unpacked_as_they_are_meant(tmp_path: Path, attributes: int) -> None:
    names = ("start.sh", "app\\", "app\\lib\\a.txt", "app\\start.sh", "d\\e/f")
    out = unpacked(without_modes(*names, attributes=attributes), tmp_path / "out")
    assert {str(path.relative_to(out)): os.access(path, os.X_OK) for path in out.rglob("*") if path.is_file()} == {
        "start.sh": True, "app/lib/a.txt": False, "app/start.sh": True, "d/e/f": False,
    }  # fmt: skip
    assert not os.access(unpacked(zip_of(Item("start.sh", b"x", mode=0o644)), tmp_path / "unix") / "start.sh", os.X_OK)


@pytest.mark.parametrize("name", ["..\\x", "a\\..\\..\\x", "\\x", "\\\\host\\x", "a\\../x"])
def test_names_of_windows_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    assert refusal(without_modes(name), tmp_path).reason == "ArtifactUnsafePath"


@pytest.mark.parametrize("make", [tar, zip_of])
@pytest.mark.parametrize("mode", [0, 0o6755, 0o1777, 0o4711, 0o666])
def test_modes_keep_whether_it_runs_and_nothing_else(tmp_path: Path, make, mode: int) -> None:  # type: ignore[no-untyped-def]
    out = unpacked(make(Item("d/file", b"x", mode=mode), folder("d", mode=mode)), tmp_path / "out")
    runs = 0o755 if mode & 0o111 else 0o644
    assert stat.S_IMODE((out / "d/file").stat().st_mode) == runs
    assert stat.S_IMODE((out / "d").stat().st_mode) == 0o755


def test_times_are_not_believed(tmp_path: Path) -> None:
    out = unpacked(tar(Item("a", pax={"mtime": "9" * 30}), Item("b", mtime=2**33), form="pax"), tmp_path / "out")
    assert (out / "a").stat().st_mtime < 2**33 and (out / "b").stat().st_mtime < 2**33


def test_a_zip_whose_parts_disagree_is_corrupt(tmp_path: Path) -> None:
    whole = zip_of(Item("innocent", b"content " * 100))
    renamed = whole.replace(b"innocent", b"guilty!!", 1)
    sized = whole.replace((800).to_bytes(4, "little"), (700).to_bytes(4, "little"))
    summed = bytearray(whole)
    summed[whole.index(b"PK\x01\x02") + 16] ^= 1
    moved = whole.replace(b"PK\x05\x06", b"PK\x05\x07")
    locked = bytearray(whole)
    locked[whole.index(b"PK\x01\x02") + 8] |= 1
    for number, content in enumerate((renamed, sized, bytes(summed), moved, bytes(locked))):
        assert refusal(content, tmp_path / str(number)).reason == "ArtifactCorrupt"


def test_zip64_counts_that_lie_are_corrupt(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive, archive.open("a", "w", force_zip64=True) as file:
        file.write(b"x" * 1000)
    whole = made.getvalue()
    assert (unpacked(whole, tmp_path / "out") / "a").read_bytes() == b"x" * 1000
    entry = whole.index(b"PK\x01\x02")
    full = whole[: entry + 20] + b"\xff" * 8 + whole[entry + 28 :]
    assert refusal(full, tmp_path / "none").reason == "ArtifactCorrupt"
    for size in (2**63, 2**64 - 1, 2**40):
        locator = b"PK\x06\x06" + (44).to_bytes(8, "little") + bytes(28) + size.to_bytes(8, "little") * 2
        lying = whole[:-22] + locator + b"PK\x06\x07" + bytes(16) + whole[-22:]
        assert refusal(lying, tmp_path / str(size)).reason == "ArtifactCorrupt"


def test_an_archive_is_what_its_first_bytes_say(tmp_path: Path) -> None:
    inner = zip_of(Item("inner", b"x"))
    out = unpacked(tar(Item("wheel.zip", inner), Item("program", b"p")), tmp_path / "tar")
    assert (out / "program").exists() and not (out / "inner").exists()
    out = unpacked(b"#!/usr/bin/env python3\n" + inner, tmp_path / "zipapp")
    assert (out / "inner").read_bytes() == b"x"


@pytest.mark.parametrize("sparse", [gnu_sparse, pax_sparse])
def test_sparse_members_are_expanded_and_metered(tmp_path: Path, sparse) -> None:  # type: ignore[no-untyped-def]
    regions = [(1000, b"abc"), (5000, b"d" * 600)]
    out = unpacked(sparse("s", regions, 9000) + END, tmp_path / "out")
    assert (out / "s").read_bytes() == bytes(1000) + b"abc" + bytes(3997) + b"d" * 600 + bytes(3400)
    huge = sparse("s", regions, 8 * 1024**3 - 1) + tar(Item("x", os.urandom(100_000)))
    assert refusal(huge, tmp_path / "huge").reason == "ArtifactTooLarge"
    for number, wrong in enumerate(([(5, b"a"), (3, b"b")], [(9000, b"a")], [(0, b"ab"), (1, b"b")])):
        assert refusal(sparse("s", wrong, 9000) + END, tmp_path / str(number)).reason == "ArtifactCorrupt"


def test_tar_sizes_that_lie_are_corrupt(tmp_path: Path) -> None:
    block = tarfile.TarInfo("a").tobuf(tarfile.GNU_FORMAT)
    for number, size in enumerate((b"00000004000\0", b"\xff" * 12, b"\x80" + b"\xff" * 11, b"99999999999\0")):
        assert refusal(forged(block, size=(124, size)) + END, tmp_path / str(number)).reason == "ArtifactCorrupt"
    for number, size_text in enumerate(("-1", "9" * 5000, "x", "9999999")):
        content = pax_header(b"%d size=%s\n" % (len(size_text) + 10, size_text.encode())) + block + END
        assert refusal(content, tmp_path / f"pax{number}").reason == "ArtifactCorrupt"
    assert refusal(tar(Item("a", b"x"), end=b"") + b"\1" * 512, tmp_path / "junk").reason == "ArtifactCorrupt"


def test_streams_one_behind_the_other_are_one(tmp_path: Path) -> None:
    whole = tar(Item("a", b"x" * 5000))
    for packing in ("gz", "bz2", "xz"):
        pieces = [whole[at : at + 1000] for at in range(0, len(whole), 1000)]
        joined = b"".join(PACKERS[packing](piece) + (bytes(4) if packing == "xz" else b"") for piece in pieces)
        assert (unpacked(joined, tmp_path / packing) / "a").read_bytes() == b"x" * 5000
        empty = PACKERS[packing](b"") * 5000 + PACKERS[packing](whole)
        assert refusal(empty, tmp_path / f"empty-{packing}").reason == "ArtifactCorrupt"


def test_directories_that_only_paths_name_are_counted(tmp_path: Path) -> None:
    items = [Item("/".join(f"{number}-{level}" for level in range(100))) for number in range(5)]
    assert refusal(tar(*items), tmp_path, Limits(files=300)).reason == "ArtifactTooLarge"


# What an archive may take of memory. Each of these is small, and would be gigabytes or hours.

LOOK = """
import resource, sys
from pathlib import Path
from starlink.artifacts.errors import ArtifactError
from starlink.artifacts.unpack import unpack
import encodings.cp437, encodings.utf_8, tarfile, zipfile

def size(key):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(key))

most = size("VmSize") + int(sys.argv[3]) * 1024**2
resource.setrlimit(resource.RLIMIT_AS, (most, most))
before = size("VmRSS")
try:
    with open(sys.argv[1], "rb") as file:
        unpack(file, Path(sys.argv[2]), "the archive")
    print("unpacked", end=" ")
except ArtifactError as error:
    print(error.reason, end=" ")
print(max(0, size("VmHWM") - before) // 1024**2)
"""


def looked(content: Path, target: Path, room: int) -> tuple[str, int]:
    """What comes of unpacking in a process that may take `room` MiB more than it has, and how many it took."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(content), str(target), str(room)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    reason, taken = done.stdout.split()
    return reason, int(taken)


def packed_zeros(path: Path, head: bytes, mebibytes: int, tail: bytes = END) -> Path:
    with gzip.open(path, "wb", 1) as file:
        file.write(head)
        for _ in range(mebibytes):
            file.write(b"\0" * 1024**2)
        file.write(tail)
    return path


def hungry(path: Path, name: str) -> Path:
    match name:
        case "a gnu name of 300 MiB":
            packed_zeros(path, gnu_long_name(300 * 1024**2), 300, tar(Item("a")))
        case "a pax header of 300 MiB":
            head = forged(pax_header(b"")[:512], size=(124, b"%011o\0" % (300 * 1024**2)))
            packed_zeros(path, head, 300, tar(Item("a")))
        case "a zip of 1.5 million members":
            path.write_bytes(listed(1_500_000))
        case "pax records of which each key is the whole rest":
            path.write_bytes(pax_header(b"1 " * 200_000 + b"=\n") + tar(Item("a")))
        case "a pax header of digits":
            path.write_bytes(pax_header(b"1" * 1_000_000) + tar(Item("a")))
        case "links with long names":
            one = tar(link("/".join(["n" * 250] * 10) + "/00000", "t" * 900), form="pax", end=b"")
            with gzip.open(path, "wb", 1) as file:
                for number in range(12_000):
                    file.write(one.replace(b"/00000", b"/%05d" % number))
        case "a dictionary of 1 GiB":
            made = bytearray(lzma.compress(tar(Item("a")), format=lzma.FORMAT_ALONE))
            made[1:5] = (0x40000000).to_bytes(4, "little")
            path.write_bytes(made)
    return path


@pytest.mark.parametrize(("name", "reason"), [
    ("a gnu name of 300 MiB", "ArtifactTooLarge"),
    ("a pax header of 300 MiB", "ArtifactTooLarge"),
    ("a zip of 1.5 million members", "ArtifactTooLarge"),
    ("pax records of which each key is the whole rest", "ArtifactCorrupt"),
    ("a pax header of digits", "ArtifactCorrupt"),
    ("links with long names", "ArtifactTooLarge"),
    ("a dictionary of 1 GiB", "ArtifactCorrupt"),
])  # fmt: skip
def test_a_small_archive_takes_little_memory(tmp_path: Path, name: str, reason: str) -> None:
    said, taken = looked(hungry(tmp_path / "archive", name), tmp_path / "out", room=96)
    print(f"{name}: {said}, {taken} MiB")
    assert said == reason and taken <= 64


def test_members_take_no_memory_each(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(listed(10_000))
    said, taken = looked(tmp_path / "archive", tmp_path / "out", room=48)
    assert said == "unpacked" and taken <= 4


def test_looking_inside_reads_by_the_same_bounds() -> None:
    for content in (pax_header(b"1 " * 200_000 + b"=\n") + tar(Item("a")), tar(Item("/".join("d" * 200)))):
        with pytest.raises(ArtifactError) as caught:
            examine(io.BytesIO(content), "", "the archive")
        assert caught.value.reason == "ArtifactCorrupt"


# What is this machine's fault is not the archive's.


def test_a_full_disk_is_no_fault_of_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = tar(Item("a", b"x" * 3_000_000))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1, limit[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            unpacked(content, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    from starlink.artifacts import folder as folders

    monkeypatch.setattr(folders.Folder, "file", lambda *_: os.open("/dev/full", os.O_WRONLY))
    with pytest.raises(OSError, match="No space left"):
        unpacked(content, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
