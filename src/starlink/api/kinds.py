"""The kinds of the Kubernetes API that StarLink's parts read and write."""

from typing import NamedTuple


class Kind(NamedTuple):
    """One resource of the API: enough to build its URL and its objects."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """`group/version`, or `version` alone for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def path(self) -> str:
        """The URL prefix of the group and version: `/api/v1` or `/apis/group/version`."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"


GROUP = "starlink.dev"
VERSION = "v1alpha1"

SERVER = Kind(GROUP, VERSION, "Server", "servers", False)
POOL = Kind(GROUP, VERSION, "Pool", "pools", False)
TASK = Kind(GROUP, VERSION, "Task", "tasks", True)
ASSIGNMENT = Kind(GROUP, VERSION, "Assignment", "assignments", True)

NAMESPACE = Kind("", "v1", "Namespace", "namespaces", False)
EVENT = Kind("", "v1", "Event", "events", True)
SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts", True)
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases", True)

CRD = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", False)

BULK_WRITE = Kind("bulk.starlink.dev", "v1alpha1", "BulkWrite", "bulkwrites", False)
"""What an API server may have to take many writes in one request."""

STARLINK_KINDS = (SERVER, POOL, TASK, ASSIGNMENT)
