"""A store in an etcd cluster, which several API servers may share; needs the extra `[etcd]`.

Memory (`mirror`) holds what etcd holds: reads come from it, and only etcd's watch (`follower`) changes
it, in etcd's order, so that all servers serve the same objects and events. A write (`writes`) is a
transaction on the revision that its key is expected at; it returns when the own watch has delivered it.
Revisions are etcd's.
"""

from starlink.store.etcd.store import EtcdStore as EtcdStore
