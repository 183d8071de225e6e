"""Of a body that has no checksum no more is known than what it says: it must be the object of its key."""

from pathlib import Path

import pytest
from tests.attack import old_store
from tests.attack.unsummed import misshapen, stored
from tests.integration.conftest import TASKS, Core, task

from starlink.apiserver.backend import is_object
from starlink.apiserver.handler import Api
from starlink.store.base import Key, Record, StoreRefused
from starlink.store.seal import Plain
from starlink.store.sqlite_file import Durability, SqliteFile
from starlink.store.sqlite_rows import Contents

A = Key("g/things", "ns", "a")


@pytest.mark.parametrize("what", misshapen(A))
def test_what_is_not_the_object_of_its_key(what: str) -> None:
    assert is_object(A, stored(A)) and not is_object(A, misshapen(A)[what])


@pytest.mark.parametrize("what", misshapen(A))
def test_an_old_database_with_one_is_refused_and_left_alone(tmp_path: Path, what: str) -> None:
    path = tmp_path / "s.db"
    old_store.make(path, Contents([Record(A, 1, misshapen(A)[what])], (), 1, 1))
    before = path.read_bytes()
    file = SqliteFile(path, 100, Plain(), Durability.FULL, is_object)
    with pytest.raises(StoreRefused, match=r"things.g ns/a at revision 1 .*can't be read.*restore a backup"):
        file.open()
    assert path.read_bytes() == before


async def test_all_that_a_server_stores_is_taken_for_what_it_is(api: Api, core: Core) -> None:
    for path, body in (
        (TASKS, task("t")),
        ("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "c", "labels": {"a": "b"}}}),
        ("/api/v1/namespaces/default/secrets", {"metadata": {"name": "s", "finalizers": ["a.b/c"]}}),
        ("/api/v1/namespaces", {"metadata": {"name": "n", "annotations": {"a": "b"}}}),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", {"metadata": {"name": "system:x:y"}, "rules": []}),
    ):
        assert (await core("POST", path, body)).status == 201
    store = api.store
    records = [record for resource in store.resources() for record in store.list(resource)]
    assert len(records) > 20 and [record for record in records if not is_object(record.key, record.body)] == []
