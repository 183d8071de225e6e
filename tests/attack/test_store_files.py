"""Files of a store that are removed or replaced while it is open, or before the next start: told, and nothing is lost in
silence."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from bench.core import core
from tests.contract.sqlite_stores import opened
from tests.contract.stores import A, B, put

from starlink.apiserver.requests.pages import Pages
from starlink.http.message import ANONYMOUS, Request, User
from starlink.store.base import Key, StoreRefused, StoreUnavailable
from starlink.store.sqlite import SqliteStore

FILES = ("s.db", "s.db-wal", "s.db.mark")
NOTE = "database.made"


def beside(path: Path, name: str) -> Path:
    return path.with_name(name)


async def refuses(store: SqliteStore, named: str) -> None:
    revision = store.revision
    for number in range(5):
        with pytest.raises(StoreUnavailable, match=rf"removed or replaced .*{named}.*restore a backup"):
            await store.put(Key("g/things", "ns", f"n{number}"), b"1", expect=0)
    assert store.revision == revision and named in store.problem


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
async def test_a_file_that_is_another_one_now_is_not_written(tmp_path: Path, name: str, how: str) -> None:
    path, file = tmp_path / "store" / "s.db", tmp_path / "store" / name
    async with opened(path, note=tmp_path / NOTE) as store:
        first = await store.put(A, b"1", expect=0)
        away = tmp_path / "away"
        if how == "removed":
            file.unlink()
        else:
            file.rename(away)
        if how == "replaced":
            shutil.copy(away, file)
        await refuses(store, name)
        assert store.get(A) == first
        if how == "moved":
            away.rename(file)
            assert not store.problem
            second = await put(store, B, b"2")
    if how == "moved":
        async with opened(path, note=tmp_path / NOTE) as store:
            assert (store.get(A), store.get(B)) == (first, second)
    else:
        with pytest.raises(StoreRefused, match=r"restore a backup.*database\.made"):
            await SqliteStore(path, note=tmp_path / NOTE).open()


async def test_an_older_copy_of_all_files_is_found_out_and_left_alone(tmp_path: Path) -> None:
    path, note, saved = tmp_path / "store" / "s.db", tmp_path / NOTE, tmp_path / "saved"
    async with opened(path, note=note) as store:
        await store.put(A, b"1", expect=0)
        saved.mkdir()
        for name in FILES:
            shutil.copy(beside(path, name), saved / name)
        await put(store, A, b"2")
        for name in FILES:
            shutil.copy(saved / name, tmp_path / "new")
            (tmp_path / "new").replace(beside(path, name))
        await refuses(store, "s.db")
    for name in FILES:
        assert beside(path, name).read_bytes() == (saved / name).read_bytes()
    for _ in range(2):
        with pytest.raises(StoreRefused, match=r"were removed or replaced while a server ran.*remove .*database\.made"):
            await SqliteStore(path, note=note).open()
    note.unlink()
    async with opened(path, note=note) as store:
        assert store.get(A).body == b"1"  # type: ignore[union-attr]


@pytest.mark.parametrize("remove", [lambda store: [f.unlink() for f in store.glob("s.db*")], shutil.rmtree])
@pytest.mark.parametrize("up", [True, False])
async def test_a_database_that_is_gone_is_not_begun_anew(
    tmp_path: Path, remove: Callable[[Path], object], up: bool
) -> None:
    path, note = tmp_path / "store" / "s.db", tmp_path / NOTE
    async with opened(path, note=note) as store:
        await store.put(A, b"1", expect=0)
        if up:
            remove(path.parent)
            await refuses(store, "s.db")
    if not up:
        remove(path.parent)
    for _ in range(2):
        with pytest.raises(StoreRefused, match=r"s\.db is gone; .*restore a backup; to start empty, remove .*made"):
            await SqliteStore(path, note=note).open()
        assert not path.exists()
    note.unlink()
    async with opened(path, note=note) as store:
        assert store.get(A) is None and await store.put(A, b"1", expect=0)


async def test_a_server_whose_store_can_not_be_written_is_not_ready_and_lives(tmp_path: Path) -> None:
    async with core(tmp_path) as api:
        problem = ""
        pages = Pages(api.registry, api.guard, api.metrics, lambda: problem, "v1.32.0", debugging=False)

        async def asked(path: str, user: User = ANONYMOUS) -> tuple[int, bytes]:
            answer = await pages.response(Request("GET", path, user=user))
            assert answer is not None
            return answer.status, answer.body

        assert await asked("/readyz") == (200, b"ok")
        problem = "s.db was removed"
        told = b"[-]store failed: s.db was removed\nreadyz check failed\n"
        assert await asked("/readyz", User("joe")) == (500, told)
        assert await asked("/readyz") == (500, told.replace(problem.encode(), b"reason withheld"))
        assert await asked("/livez") == await asked("/healthz") == (200, b"ok")
