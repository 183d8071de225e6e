"""Bad input is the sender's fault: a 400 that says what is wrong, also where the real API server fails at it."""

import pytest
from tests.integration.conftest import TASKS, Core, task


async def test_delete_options_that_are_none(core: Core) -> None:
    await core("POST", TASKS, task("a"))
    for body in (b"{", b"[]", b" "):
        refused = await core("DELETE", f"{TASKS}/a", body)
        assert (refused.status, refused.body["reason"]) == (400, "BadRequest")
    assert (await core("GET", f"{TASKS}/a")).status == 200


@pytest.mark.parametrize("version", ["x", "-1", "1.5", "9" * 20])
@pytest.mark.parametrize("place", ["", "/a"])
async def test_versions_that_are_none(core: Core, version: str, place: str) -> None:
    await core("POST", TASKS, task("a"))
    for watch in ("", "true"):
        refused = await core("GET", f"{TASKS}{place}", resourceVersion=version, watch=watch)
        assert refused.status == 400 and "resourceVersion" in refused.body["message"]


async def test_a_watch_of_the_future_is_told_that_it_waits_in_vain(core: Core) -> None:
    """A client whose server was made anew would else hear nothing for ever, and not know it."""
    refused = await core("GET", TASKS, watch="true", resourceVersion=str(1 << 62))
    assert (refused.status, refused.body["details"]["causes"][0]["reason"]) == (504, "ResourceVersionTooLarge")


async def test_what_the_schema_has_not_cannot_be_applied(core: Core) -> None:
    media = "application/apply-patch+yaml"
    refused = await core("PATCH", f"{TASKS}/a", task("a", junk=1), media=media, fieldManager="me")
    assert (refused.status, refused.body["reason"]) == (400, "BadRequest")
    assert ".spec.junk: field not declared in schema" in refused.body["message"]
