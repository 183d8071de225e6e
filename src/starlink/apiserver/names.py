"""Names that several parts of the API server must agree on."""

NAMESPACES = "/namespaces"
SERVICE_ACCOUNTS = "/serviceaccounts"
CRDS = "apiextensions.k8s.io/customresourcedefinitions"
EVENTS = "/events"

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
CRD_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"

PROTECTED_NAMESPACES = ("default", "kube-system", "starlink-servers")
