"""A number of a user that another agent of the machine has by now, since a data directory was away or a claim was
damaged: no two tasks run as one user, and nobody ends what is another's."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from tests.attack.instances import NUMBERS, Bench, bench, needs_root
from tests.conftest import soon

from starlink.files import tree
from starlink_nodeagent.instances.instance import Instance
from starlink_nodeagent.journal.record import decode, encode
from starlink_nodeagent.processes.procfs import RUN_MARKER, living
from starlink_nodeagent.stop_all import park_all
from starlink_nodeagent.users import claims
from starlink_nodeagent.users import policy as users
from starlink_nodeagent.users.claims import Claim
from starlink_nodeagent.users.policy import Users
from starlink_nodeagent.users.uids import Range

pytestmark = needs_root
OURS, THEIRS = Range(NUMBERS.first, NUMBERS.first + 15), Range(NUMBERS.first + 16, NUMBERS.last)
FOREVER = "exec sleep 100000"
ANOTHERS = "0d9ba4e5-5c2a-4a0c-9f0e-00000000000a"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(claims, "FOLDER", tmp_path / "claims")
    return tmp_path / "claims"


async def ended(site: Bench, task: str, script: str = "touch mine below; sleep 0.1; exec sleep 100000") -> Instance:
    """An instance whose agent and process have ended, as a reboot ends them; what is in its record is loaded anew."""
    instance = await site.run(task, script)
    instance.leave()
    await instance.over()
    for pid in living(site.uid(instance)):
        os.kill(pid, 9)
    await soon(lambda: not list(living(site.uid(instance))), "nothing runs")
    site.host._settled.clear()
    again = site.held[instance.record.uid] = Instance(
        decode(encode(instance.record), instance.record.uid), site.host, lambda _: None
    )
    return again


def marked(uid: int, place: Path) -> "subprocess.Popen[bytes]":
    """A process with the marker of another agent's instance."""
    return subprocess.Popen(
        ["/bin/sleep", "100000"], user=uid, group=uid, extra_groups=[], start_new_session=True, cwd=place,
        env={RUN_MARKER: f"{ANOTHERS}/1"},
    )  # fmt: skip


@contextlib.contextmanager
def anothers(uid: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A run of another agent's instance."""
    with tempfile.TemporaryDirectory() as theirs:
        instance = Path(theirs, "instances", ANOTHERS)
        for folder in (instance / "runs" / "1", instance / "work"):
            folder.mkdir(parents=True)
        os.chown(instance / "work", uid, uid)
        process = marked(uid, instance / "runs" / "1")
        try:
            yield process
            assert process.poll() is None, "it was not ended"
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("place", ["/", "{work}", "{work}/instances/{another}"])
async def test_nobody_passes_for_anothers_by_what_it_writes(tmp_path: Path, place: str) -> None:
    """A task's process that lives on under a made-up marker goes with its task, wherever it is."""
    async with bench(tmp_path / "site", OURS) as site:
        instance = await site.run("liar", FOREVER)
        uid = site.uid(instance)
        where = Path(place.format(work=site.work(instance), another=ANOTHERS))
        where.mkdir(parents=True, exist_ok=True)
        (where / "work").mkdir(exist_ok=True) if place != "/" else None
        if ANOTHERS in place:
            for folder in (where, where / "work"):
                os.chown(folder, uid, uid)
        liar = marked(uid, where)
        await site.end(instance)
        await soon(lambda: liar.poll() is not None, "it is ended")


def owners(site: Bench, instance: Instance) -> set[int]:
    work = site.work(instance)
    return {path.lstat().st_uid for path in (work, *work.iterdir())}


@pytest.mark.parametrize("told_by", ["claim", "process", "nobody's claim"])
async def test_an_instance_gets_another_number_with_its_files(tmp_path: Path, told_by: str) -> None:
    async with bench(tmp_path / "site", THEIRS) as site:
        instance = await ended(site, "away")
        record, former = instance.record, site.uid(instance)
        if told_by == "claim":
            site.host.users = Users(OURS, claimed=(THEIRS,), foreign=(THEIRS,))
        elif told_by == "process":
            site.host.users = Users(OURS, claimed=(THEIRS,))
        else:
            site.host.users = Users(OURS)
        with anothers(former) if told_by != "nobody's claim" else contextlib.nullcontext():
            instance.begin()
            await soon(lambda: record.run == 2 and record.phase == "Running", "it runs again")
            assert site.uid(instance) in OURS and owners(site, instance) == {site.uid(instance)}
            assert decode((site.work(instance).parent / "record.json").read_bytes(), record.uid).user == record.user
            await site.end(instance)


async def test_what_lives_keeps_its_number_and_nothing_of_others_is_ended(tmp_path: Path) -> None:
    async with bench(tmp_path / "site", THEIRS) as site:
        instance = await site.run("lives", FOREVER)
        former = site.uid(instance)
        instance.leave()
        await instance.over()
        site.host.users = Users(OURS, foreign=(THEIRS,))
        with anothers(former) as other:
            again = site.begin(decode(encode(instance.record), instance.record.uid))
            await soon(lambda: again.record.ready, "it goes on")
            assert (again.record.run, site.uid(again)) == (1, former)
            await site.end(again)
            assert list(living(former)) == [other.pid]


async def test_what_is_interrupted_goes_on(tmp_path: Path) -> None:
    """The record has the new number already, and the files have not."""
    async with bench(tmp_path / "site", OURS) as site:
        instance = await ended(site, "half")
        assert instance.record.user is not None
        number = site.uid(instance) % 2 + OURS.first + 3
        instance.record.user = replace(instance.record.user, uid=number, gid=number, name=str(number))
        instance.begin()
        await soon(lambda: instance.record.run == 2, "it runs again")
        assert owners(site, instance) == {number}


async def test_who_stops_all_ends_nothing_of_others(tmp_path: Path, folder: Path) -> None:
    async with bench(tmp_path, THEIRS) as site:
        ones = [await ended(site, task, FOREVER) for task in ("a", "b")]
        for instance in ones:
            await site.host.journal.save(instance.record)
        first, second = (site.uid(instance) for instance in ones)
        other = tmp_path / "other"
        (other / "instances" / "x").mkdir(parents=True)
        assert claims.take([Range(first, first)], other)
        with anothers(second), anothers(first):
            assert await park_all(tmp_path) == 2


def test_only_what_is_the_owners_changes_hands(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "below").mkdir(parents=True)
    (root / "file").touch()
    (root / "foreign").touch()
    (root / "link").symlink_to("/etc/passwd")
    os.mkfifo(root / "below" / "fifo")
    for path in (root, root / "below", root / "file", root / "link", root / "below" / "fifo"):
        os.chown(path, THEIRS.first, THEIRS.first, follow_symlinks=False)
    before = Path("/etc/passwd").stat()
    tree.hand_over(root, THEIRS.first, OURS.first, OURS.first)
    tree.hand_over(root, THEIRS.first, OURS.first, OURS.first)
    given = {path.name: path.lstat().st_uid for path in (root, *root.rglob("*"))}
    assert given.pop("foreign") == 0 and set(given.values()) == {OURS.first} and len(given) == 5
    assert Path("/etc/passwd").stat() == before


# Claims


def agent(folder: Path, name: str, *owners: int) -> Path:
    data = folder / name
    (data / "instances").mkdir(parents=True)
    for number in owners:
        (data / "instances" / str(number) / "work").mkdir(parents=True)
        os.chown(data / "instances" / str(number) / "work", number, number)
    return data


def read(data: Path) -> Claim:
    return msgspec.json.decode(claims._path(data).read_bytes(), type=Claim)


@pytest.mark.parametrize("damage", [b"", b'{"data_dir":"/x', b"\0" * 40, None])
def test_ones_own_claim_is_written_anew(tmp_path: Path, damage: bytes | None) -> None:
    """From the noted range, and from what instances' files have; what another claimed meanwhile is not claimed."""
    kept, lost = NUMBERS.last, THEIRS.first + 3
    data, other = agent(tmp_path, "data", kept, lost), agent(tmp_path, "other")
    first = users.users(None, str(OURS), data / "note")
    assert first.numbers == OURS and first.has(kept)
    if damage is None:
        claims._path(data).unlink()
    else:
        claims._path(data).write_bytes(damage)
    assert set(claims.own(data)) >= {Range(kept, kept)}
    assert claims.take([Range(lost - 1, lost + 1)], other)
    again = users.users(None, str(OURS), data / "note")
    assert read(data).ranges == (f"{OURS.first}-{OURS.last}", f"{kept}-{kept}")
    assert again.has(kept) and not again.has(lost) and again.is_foreign(lost) and again.has(OURS.last)


@pytest.mark.parametrize("cut", [0, 20, -1])
def test_anothers_damaged_claim_keeps_out_what_it_says_or_what_runs(
    tmp_path: Path, cut: int, caplog: pytest.LogCaptureFixture
) -> None:
    data, other = agent(tmp_path, "data"), agent(tmp_path, "other")
    assert claims.take([THEIRS], other)
    path = claims._path(other)
    path.write_bytes(path.read_bytes()[:cut])
    with anothers(THEIRS.last):
        assert not claims.take([THEIRS], data) and "a damaged claim in" in claims.holder(THEIRS, data)
        assert claims.take([OURS], data), "the others are free"
    assert path.exists() and str(path) in caplog.text
    assert (claims.take([THEIRS], data) is not None) == (cut >= 0), "nothing tells of a range, and nothing runs"


def test_a_claim_whose_directory_is_away_holds_while_something_runs(tmp_path: Path) -> None:
    data, other = agent(tmp_path, "data"), agent(tmp_path, "other")
    assert claims.take([THEIRS], other)
    path = claims._path(other)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(read(other), started=1)))
    (other / "instances").rmdir()
    with anothers(THEIRS.last):
        assert not claims.take([THEIRS], data)
    assert claims.take([THEIRS], data) and not path.exists()
