"""The labels, annotations and finalizers that StarLink reads and writes."""

from collections.abc import Mapping

TASK = "starlink.dev/task"
REVISION = "starlink.dev/revision"

ARCHITECTURE = "kubernetes.io/arch"
OPERATING_SYSTEM = "kubernetes.io/os"
HOSTNAME = "kubernetes.io/hostname"

STOPPED_FINALIZER = "starlink.dev/stopped"
"""On an Assignment until its agent has reported it stopped."""

DRAINED_FINALIZER = "starlink.dev/drained"
"""On a Server until nothing that StarLink placed there is left."""

IN_USE_FINALIZER = "starlink.dev/in-use"
"""On a Pool until no task names it and nothing runs on its servers."""

GONE_ANNOTATION = "starlink.dev/gone"
"""`true` on a Server declares it gone: its assignments are replaced and no longer charged, whatever
the storm brake says, and it gets no work until the annotation is taken away."""

LEADER_LABEL = "starlink.dev/leader"
"""`true` on the Lease that a leading operator holds, so that another StarLink in the cluster finds it; and on its
namespace, which only an administrator labels, where that is not the usual one."""

SERVER_NAMESPACE = "starlink-servers"
"""Where the agents' Leases and ServiceAccounts lie."""


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether every label of the selector is there with its value; an empty selector selects all."""
    return all(labels.get(key) == value for key, value in selector.items())
