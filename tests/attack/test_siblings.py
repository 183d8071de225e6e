"""Instances of one Task share its user also where their agent was killed while it prepared them."""

from pathlib import Path

from tests.attack.instances import bench, needs_root
from tests.conftest import soon

from starlink_nodeagent.instances.instance import Instance
from starlink_nodeagent.users import clearing

pytestmark = needs_root


async def test_one_waits_until_its_sibling_has_been_looked_at(tmp_path: Path) -> None:
    async with bench(tmp_path) as site:
        template = {"command": ["sleep", "100000"]}
        records = [site.record("web", number, task_uid="u-1", **template) for number in range(2)]
        for record in records:  # as they lie in the journal: a user is chosen, and nothing is prepared
            record.user = site.host.users.of("default", "web", {})
            await site.host.journal.save(record)
        sibling = site.held[records[0].uid] = Instance(records[0], site.host, lambda _: None, fresh=False)
        assert sibling.unseen is not None
        waiting = site.held[records[1].uid] = Instance(records[1], site.host, lambda _: None, fresh=False)
        waiting.begin()
        await soon(lambda: records[1].reason == clearing.BUSY, "it waits for its sibling")
        assert "has looked at default/web-0" in records[1].message
        sibling.begin()
        await soon(lambda: all(record.phase == "Running" for record in records), "both run")
        assert site.uid(sibling) == site.uid(waiting)
