"""Archives of random members in every format, unpacked as root in a root of their own, of which nothing else changes."""

import io
import json
import os
import random
import stat
import tarfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.attack.archives import PACKERS, TAR_FORMATS, Item, folder, gnu_sparse, link, pax_sparse, tar, zip_of
from tests.profiles import tries

from starlink.artifacts.errors import ArtifactError
from starlink.artifacts.inspect import examine
from starlink.artifacts.limits import Limits
from starlink.artifacts.unpack import unpack
from starlink.files import tree

SEEDS, ROUNDS = 4, tries(50)
LIMITS = Limits(files=300, total_bytes=2 * 1024**2)
REASONS = ("ArtifactCorrupt", "ArtifactUnsafePath", "ArtifactTooLarge")
TARGET = "srv/agent/instances/uid/work"
OUTSIDE = ("etc/passwd", "etc/cron.d/job", "srv/agent/journal", "srv/agent/instances/other/work/a", "a", "b", "srv/a")
KINDS = (
    tarfile.REGTYPE, tarfile.REGTYPE, tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.SYMTYPE,
)  # fmt: skip
RARE_KINDS = (tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
RARE_PARTS = ("", ".", "..", "etc", "é", "\n", "x" * 255, "x" * 256, "\udcff", "A", "a b", "d/" * 140)


def archive(chance: random.Random) -> bytes:
    """One archive; most are such that unpacking gets far."""
    items = maze(chance) if chance.random() < 0.5 else [item(chance) for _ in range(chance.choice((1, 2, 3, 5, 8, 30)))]
    if chance.random() < 0.05:
        items += [Item("oci-layout", b"{}"), Item("index.json", b"{}"), Item("blobs/sha256/a", b"{}")]
    if chance.random() < 0.3:
        content = zip_of(*(one for one in items if chance.random() < 0.3 or one.kind != tarfile.SYMTYPE))
    else:
        form = chance.choice(list(TAR_FORMATS))
        content = tar(*items, form=form, end=b"")
        if chance.random() < 0.05:
            content += chance.choice((gnu_sparse, pax_sparse))("a/s", [(10, b"x" * 20)], chance.choice((40, 10**7)))
        content = PACKERS[chance.choice(list(PACKERS))](content + bytes(1024))
    return mangled(content, chance) if chance.random() < 0.15 else content


def maze(chance: random.Random) -> list[Item]:
    """Links that lead through each other, and members below some of them."""
    names = [f"l{number}" for number in range(chance.randint(2, 4))]
    where = chance.choice(("", "d/"))
    places = [where + name for name in names]
    items = [folder("d"), *(link(place, target(chance, place, (".", "..", *names))) for place in places)]
    below = [f"{chance.choice(places)}/new{number}" for number in range(chance.randint(0, 2))]
    return items + [chance.choice((folder(name), Item(name, b"x"))) for name in below]


def item(chance: random.Random) -> Item:
    kind = chance.choice(RARE_KINDS) if chance.random() < 0.01 else chance.choice(KINDS)
    if kind == tarfile.SYMTYPE:
        where = path(chance, 0.01)
        return link(where, target(chance, where, ("a", "b", "c", ".", "..")))
    if kind == tarfile.DIRTYPE:
        return folder(path(chance, 0.02), mode=chance.choice((0o755, 0, 0o7777)))
    if chance.random() < 0.1:
        return Item(path(chance, 0.02), kind=tarfile.LNKTYPE, target=path(chance, 0.05))
    content = chance.randbytes(chance.choice((0, 1, 511, 512, 513, 5000)))
    return Item(path(chance, 0.02), content, kind, "a", chance.choice((0o644, 0o755, 0, 0o6755)))


def path(chance: random.Random, rare: float) -> str:
    parts = [
        chance.choice(RARE_PARTS) if chance.random() < rare else chance.choice("abcde")
        for _ in range(chance.choice((1, 1, 2, 2, 3, 4)))
    ]
    return ("/" if chance.random() < rare / 4 else "") + "/".join(parts)


def target(chance: random.Random, path: str, among: Sequence[str]) -> str:
    """Where a link leads. Nearly all stay inside as far as their text says; where they lead is up to the other links."""
    while True:
        steps = "/".join(chance.choice(among) for _ in range(chance.randint(1, 3)))
        if not os.path.normpath(os.path.join(os.path.dirname(path), steps)).startswith(".."):
            return steps
        if chance.random() < 0.01:
            return chance.choice((steps, "/etc/cron.d"))


def mangled(content: bytes, chance: random.Random) -> bytes:
    made = bytearray(content)
    for _ in range(chance.choice((1, 1, 3))):
        at = chance.randrange(len(made))
        made[at : at + chance.choice((0, 1, 4))] = chance.randbytes(chance.choice((0, 1, 4)))
    return bytes(made)


def state(root: Path, apart: Path) -> dict[str, tuple[object, ...]]:
    """All that lies below a root but one directory: what it is, and what it holds."""
    found: dict[str, tuple[object, ...]] = {}
    for place in below(root, apart):
        about = place.lstat()
        held = place.read_bytes() if stat.S_ISREG(about.st_mode) else b""
        aim = str(place.readlink()) if place.is_symlink() else ""
        times = about.st_mtime_ns if place != apart.parent else 0  # the target comes and goes there
        found[os.fsdecode(place)] = (
            about.st_mode,
            about.st_uid,
            about.st_ino,
            about.st_nlink * (times > 0),
            times,
            held,
            aim,
        )
    return found


def below(root: Path, apart: Path) -> Iterator[Path]:
    for entry in sorted(root.iterdir()):
        if entry != apart:
            yield entry
            if entry.is_dir() and not entry.is_symlink():
                yield from below(entry, apart)


def faults(made: Path) -> Iterator[str]:
    """What is wrong with an unpacked tree."""
    files = size = 0
    names = Counter(place.lstat().st_ino for place in below(made, made / "none"))
    for place in below(made, made / "none"):
        about = place.lstat()
        files, size = files + 1, size + about.st_size
        if stat.S_IFMT(about.st_mode) not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            yield f"{place} is special"
        if about.st_mode & 0o7000 or (stat.S_ISREG(about.st_mode) and about.st_nlink != names[about.st_ino]):
            yield f"{place} has mode {about.st_mode:o} and {about.st_nlink} names"
        if place.is_symlink() and not Path(os.path.realpath(place)).is_relative_to(made):
            yield f"{place} leads to {os.path.realpath(place)}"
    if files > LIMITS.files or size > LIMITS.total_bytes:
        yield f"{files} files of {size} bytes"


def scratch(root: Path) -> None:
    for name in OUTSIDE:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"sentinel {name}")
    (root / TARGET).parent.mkdir(parents=True)


def attack(root: Path, seed: int) -> dict[str, object]:
    """Unpacks ROUNDS archives below a root; says how they ended, and what is wrong with the first bad one."""
    made, ended = root / TARGET, dict.fromkeys(("unpacked", *REASONS), 0)
    before = state(root, made)
    for number in range(ROUNDS):
        content = archive(random.Random(seed * 1_000_000 + number))
        how = outcome(lambda content=content: unpack(io.BytesIO(content), made, "fuzz", LIMITS))  # type: ignore[misc]
        looked = outcome(lambda content=content: examine(io.BytesIO(content), "", "fuzz", LIMITS))  # type: ignore[misc]
        wrong = (
            [how]
            if how not in ended
            else [looked]
            if looked not in ended
            else list(faults(made))
            if made.exists()
            else []
        )
        after = state(root, made)
        if after != before:
            wrong.append(f"changed outside: {sorted(set(map(str, after.items())) ^ set(map(str, before.items())))[:4]}")
        if (how == "unpacked") != made.exists():
            wrong.append(f"it ended with {how}, and the target is there: {made.exists()}")
        if wrong:
            return {"seed": seed, "number": number, "how": how, "wrong": wrong[:5]}
        ended[how] += 1
        tree.remove(made)
    return {"ended": ended, "wrong": []}


def outcome(work: Callable[[], object]) -> str:
    try:
        work()
    except ArtifactError as error:
        return error.reason
    except BaseException:
        return traceback.format_exc()[-1500:]
    return "unpacked"


def in_a_root_of_its_own(root: Path, seed: int) -> dict[str, object]:
    """Attacks in a child process for which `root` is all there is."""
    for name in ("cp437", "utf-8", "ascii"):
        "a".encode(name)  # codecs are loaded from where they will not be
    receiver, sender = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.chroot(root)
            os.chdir("/")
            said = attack(Path("/"), seed)
        except BaseException:
            said = {"wrong": [traceback.format_exc()]}
        os.write(sender, json.dumps(said).encode()[:60_000])
        os._exit(0)
    os.close(sender)
    with os.fdopen(receiver, "rb") as file:
        told = file.read()
    os.waitpid(pid, 0)
    answer: dict[str, object] = json.loads(told)
    return answer


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_archives_change_nothing_outside(tmp_path: Path, seed: int) -> None:
    scratch(tmp_path)
    if os.geteuid() == 0:
        places = [Path(name) for name in ("/", "/etc", "/root", "/usr", "/usr/bin") if Path(name).exists()]
        before = [place.stat().st_mtime_ns for place in places]
        said = in_a_root_of_its_own(tmp_path, seed)
        assert [place.stat().st_mtime_ns for place in places] == before
    else:
        said = attack(tmp_path, seed)
    print(said)
    assert not said["wrong"], said
    ended = said["ended"]
    assert isinstance(ended, dict) and ended["unpacked"] > ROUNDS // 8 and ended["ArtifactUnsafePath"] > ROUNDS // 10
