"""What the audit log and the metrics tell of many writes in one request."""

from collections.abc import Sequence

import pytest
from tests.integration.apiserver.bulk.site import (
    ASSIGNMENTS,
    Site,
    assignment,
    create,
    report,
    write,
)

from starlink.api.kinds import ASSIGNMENT
from starlink.apiserver.requests.audit import AuditLog
from starlink.client.kube import Client


async def test_each_item_has_its_line_and_its_count(site: Site, admin: Client) -> None:
    await admin.create(ASSIGNMENT, assignment("there"), "default")
    before = len(site.lines())
    headers = {"user-agent": "operator/1"}
    await write(admin, create("a"), create("there"), create("b", "none"), report("there"), headers=headers)
    lines = site.lines()[before:]
    told = [tuple(line[field] for field in ("verb", "namespace", "name", "requestURI", "code")) for line in lines]
    assert sorted(told) == [
        ("create", "default", "a", ASSIGNMENTS, 201),
        ("create", "default", "there", ASSIGNMENTS, 409),
        ("create", "none", "none", ASSIGNMENTS.replace("default", "none"), 404),
        ("patch", "default", "there", f"{ASSIGNMENTS}/there/status", 200),
    ]
    assert {(line["user"], line["userAgent"], line["sourceIP"]) for line in lines} == {
        ("admin", "operator/1", "127.0.0.1")
    }
    counted = site.api.metrics.requests
    assert counted["create", "starlink.dev", "assignments", "", 201] == 2
    assert counted["create", "starlink.dev", "assignments", "", 409] == 1
    assert counted["create", "starlink.dev", "assignments", "", 404] == 1
    assert counted["patch", "starlink.dev", "assignments", "status", 200] == 1
    assert counted["create", "bulk.starlink.dev", "bulkwrites", "", 200] == 1


async def test_every_line_is_written_before_the_answer_and_those_of_one_commit_at_once(
    site: Site, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups, append = list[int](), AuditLog._append

    def noted(log: AuditLog, lines: Sequence[bytes]) -> int:
        groups.append(len(lines))
        return append(log, lines)

    monkeypatch.setattr(AuditLog, "_append", noted)
    for number in range(10):
        made = {f"a-{number}-{index}" for index in range(50)}
        await write(admin, *map(create, made))
        assert {line["name"] for line in site.lines()[-50:]} == made
    assert sum(groups) == 500 and len(groups) <= 250
