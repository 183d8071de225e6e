"""Names that several parts of the API server must agree on."""

from starlink.api.labels import SERVER_NAMESPACE

NAMESPACES = "/namespaces"
SERVICE_ACCOUNTS = "/serviceaccounts"
CRDS = "apiextensions.k8s.io/customresourcedefinitions"
EVENTS = "/events"
BULK_WRITES = "bulk.starlink.dev/bulkwrites"

CREATED_BY_UPDATE = (
    "coordination.k8s.io/leases",
    "/events",
    "rbac.authorization.k8s.io/roles",
    "rbac.authorization.k8s.io/rolebindings",
    "rbac.authorization.k8s.io/clusterroles",
    "rbac.authorization.k8s.io/clusterrolebindings",
)
"""Kinds of which a PUT makes what is not there."""

REPLACED_BY_VERSION = ("coordination.k8s.io/leases", CRDS)
"""Built-in kinds of which a write must name the resourceVersion that it replaces, as it must of all custom ones."""

NO_VERSION = "0"
"""The resourceVersion of a write that names none."""

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
CRD_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"

PROTECTED_NAMESPACES = ("default", "kube-system", SERVER_NAMESPACE)
