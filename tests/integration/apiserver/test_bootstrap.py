"""What a start finds, and what it refuses."""

import pytest
from tests.integration.conftest import Core, gathered

from starlink.api import schema
from starlink.apiserver.bootstrap import bootstrap
from starlink.apiserver.definitions.lifecycle import Definitions
from starlink.apiserver.handler import Api
from starlink.store.base import StoreRefused

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/tasks.starlink.dev"


async def start_again(api: Api) -> None:
    await bootstrap(api.objects, api.registry, Definitions(api.objects, api.registry))


async def test_another_start_changes_nothing(api: Api) -> None:
    await gathered(api)
    before = api.store.revision
    await start_again(api)
    assert api.store.revision == before


async def test_crds_of_an_earlier_starlink_become_this_ones_with_what_others_wrote_on_them(
    api: Api, core: Core
) -> None:
    """The operator looks at their annotation, which the earliest had not."""
    shipped = (await core("GET", CRD)).body
    without = [
        {"op": "replace", "path": "/metadata/annotations", "value": {"example.com/by": "me"}},
        {"op": "remove", "path": "/spec/versions/0/additionalPrinterColumns"},
    ]
    assert (await core("PATCH", CRD, without, media="application/json-patch+json")).status == 200
    await start_again(api)
    crd = (await core("GET", CRD)).body
    assert schema.fault("tasks.starlink.dev", crd) == "" and crd["spec"] == shipped["spec"]
    assert crd["metadata"]["annotations"] == {"example.com/by": "me", **shipped["metadata"]["annotations"]}


async def test_a_store_of_a_newer_starlink_is_refused_and_left_as_it_is(api: Api, core: Core) -> None:
    crd = (await core("GET", CRD)).body
    newer = {**crd["spec"]["versions"][0], "name": "v1", "storage": True}
    older = {**crd["spec"]["versions"][0], "storage": False}
    patched = await core("PATCH", CRD, {"spec": {"versions": [older, newer]}}, media="application/merge-patch+json")
    assert patched.status == 200
    await gathered(api)
    before = api.store.revision
    with pytest.raises(StoreRefused, match="written by a newer StarLink: start that version again"):
        await start_again(api)
    assert api.store.revision == before
