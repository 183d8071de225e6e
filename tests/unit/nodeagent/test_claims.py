"""Agents of one machine have numbers of their own, also those that are down and whose instances go on."""

from pathlib import Path

import msgspec
import pytest

from starlink_nodeagent.users import claims
from starlink_nodeagent.users.claims import Claim
from starlink_nodeagent.users.uids import Range

ONE, OTHER, LAPS = Range(1_000, 1_999), Range(3_000, 3_999), Range(1_500, 3_100)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(claims, "FOLDER", tmp_path / "claims")
    return tmp_path


def agent(folder: Path, name: str, *, instance: bool = False) -> Path:
    (folder / name / "instances").mkdir(parents=True)
    if instance:
        (folder / name / "instances" / "one").mkdir()
    return folder / name


def end(folder: Path) -> None:
    """All agents so far end: their processes are no longer there."""
    for path in (folder / "claims").glob("*.json"):
        claim = msgspec.json.decode(path.read_bytes(), type=Claim)
        path.write_bytes(msgspec.json.encode(msgspec.structs.replace(claim, started=1)))


def test_ranges_that_overlap_exclude_each_other_while_agents_live(folder: Path) -> None:
    first, second = agent(folder, "first"), agent(folder, "second")
    assert claims.take([ONE], first) and claims.take([ONE], first)
    assert not claims.take([LAPS], second) and claims.holder(LAPS, second) == str(first)
    assert claims.take([OTHER], second) and claims.holder(OTHER, first) == str(second)
    assert claims.holder(ONE, first) == ""


def test_an_agent_that_is_down_keeps_the_numbers_of_its_instances(folder: Path) -> None:
    first, second = agent(folder, "first", instance=True), agent(folder, "second")
    assert claims.take([ONE], first)
    end(folder)
    assert not claims.take([ONE], second)
    (first / "instances" / "one").rmdir()
    assert claims.take([ONE], second), "nothing of the first is left"


def test_an_agent_keeps_its_former_range_while_instances_have_it(folder: Path) -> None:
    first, second = agent(folder, "first", instance=True), agent(folder, "second")
    assert claims.take([ONE], first) and claims.take([OTHER], first)
    end(folder)
    assert not claims.take([ONE], second) and not claims.take([OTHER], second)


def test_an_agent_whose_folder_is_gone_has_no_claim(folder: Path) -> None:
    first, second = agent(folder, "first"), agent(folder, "second")
    assert claims.take([ONE], first)
    end(folder)
    (first / "instances").rmdir()
    assert claims.holder(ONE, second) == "" and claims.take([ONE], second)


def test_a_claim_that_cannot_be_read_holds(folder: Path) -> None:
    first, second = agent(folder, "first"), agent(folder, "second")
    assert claims.take([ONE], first)
    (path,) = (folder / "claims").glob("*.json")
    path.write_text(f'garbage "{ONE}"')
    assert not claims.take([ONE], second) and not claims.take([LAPS], second) and path.exists()
    assert claims.take([OTHER], second), "it is not to all numbers"


def test_where_nothing_can_be_noted_the_agent_goes_on(folder: Path) -> None:
    (folder / "claims").touch()
    assert claims.take([ONE], agent(folder, "first")) and claims.holder(ONE, folder) == ""


def test_the_first_range_that_is_free_is_found_by_reading_each_claim_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranges = [Range(start, start + 999) for start in range(1_000, 21_000, 1_000)]
    for number, taken in enumerate(ranges[:-1]):
        assert claims.take([taken], agent(folder, str(number)))
    read: list[Path] = []
    _read = claims._read

    def counted(path: Path) -> Claim:
        read.append(path)
        return _read(path)

    monkeypatch.setattr(claims, "_read", counted)
    assert claims.take(ranges, agent(folder, "last")) == ranges[-1]
    assert len(read) == len(set(read)) == len(ranges) - 1
