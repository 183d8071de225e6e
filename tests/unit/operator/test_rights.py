"""The rights that the operator asks for."""

import asyncio
from dataclasses import replace
from typing import Any, cast

from starlink.api.meta import ObjectKey
from starlink.apiserver.security.authorization.roles import defaults
from starlink.client.kube import Client
from starlink.client.rights import Right
from starlink.http.message import OPERATOR
from starlink_operator import rights


class Asked:
    """A client that answers each review when the others had their turn."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def raw(self, _method: str, _path: str, *, body: dict[str, Any]) -> bytes:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        verb = body["spec"]["resourceAttributes"]["verb"]
        return b'{"status": {"allowed": %s}}' % (b"false" if verb == "delete" else b"true")


async def test_rights_are_asked_for_by_few_at_a_time() -> None:
    client = Asked()
    needed = rights.needed("servers", ObjectKey("leases", "leader"))
    lacking = await rights._lacking(cast(Client, client), needed)
    assert lacking == [right for right in needed if right.verb == "delete"] and isinstance(lacking[0], Right)
    assert client.most == rights.AT_ONCE < len(needed)


def test_the_standalone_role_gives_what_the_operator_needs_and_nothing_else() -> None:
    (role,) = (obj for obj in defaults() if (obj["kind"], obj["metadata"]["name"]) == ("ClusterRole", OPERATOR))
    given = {
        Right(verb, group, resource)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    needed = rights.needed("starlink-servers", ObjectKey("kube-system", "leader"))
    assert given == {replace(right, namespace="") for right in needed}
