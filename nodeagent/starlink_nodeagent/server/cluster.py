"""Which cluster the agent's list of Assignments is of."""

from starlink.api.assignment import Assignment
from starlink.api.kinds import NAMESPACE
from starlink.client.cache import Cache
from starlink.client.kube import Client

IDENTITY = "kube-system"
"""The namespace whose UID tells clusters apart."""


class Cluster:
    """`uid` is "" until it is known."""

    def __init__(self, client: Client, assignments: Cache[Assignment]) -> None:
        self.uid = ""
        self._client = client
        self._assignments = assignments
        self._as_of = -1

    async def know(self) -> None:
        """Asks again whenever there was a new list: only a list can come from another cluster. Raises ClientError."""
        while self._as_of != self._assignments.lists:
            lists = self._assignments.lists
            identity = (await self._client.get(NAMESPACE, IDENTITY))["metadata"]
            if int(identity["resourceVersion"]) > self._assignments.resource_version:
                # Younger than the list, which may be of the cluster from which this one was restored in between.
                await self._assignments.refresh()
            elif lists == self._assignments.lists:
                self.uid, self._as_of = str(identity["uid"]), lists
