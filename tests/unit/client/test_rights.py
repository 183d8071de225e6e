"""Missing rights: read from what an API server says, told once, with rules that can be pasted."""

import logging

import pytest
import yaml

from starlink.client.errors import ApiError, Forbidden, NotFound
from starlink.client.rights import Denial, Missing, Right, denial, explained, remedy

LIST = 'tasks.starlink.dev is forbidden: User "system:serviceaccount:sl:op" cannot list resource "tasks" in API group "starlink.dev" at the cluster scope'
CREATE = 'leases.coordination.k8s.io is forbidden: User "ann" cannot create resource "leases" in API group "coordination.k8s.io" in the namespace "kube-system": RBAC: role.rbac.authorization.k8s.io "x" not found'
STATUS = 'pods "p" is forbidden: User "ann" cannot patch resource "pods/status" in API group "" in the namespace "a"'


def forbidden(message: str) -> Forbidden:
    return Forbidden(403, "Forbidden", message)


def test_a_refusal_names_the_right() -> None:
    assert denial(forbidden(LIST)) == Denial("system:serviceaccount:sl:op", Right("list", "starlink.dev", "tasks"))
    assert denial(forbidden(CREATE)) == Denial("ann", Right("create", "coordination.k8s.io", "leases", "kube-system"))
    assert denial(forbidden(STATUS)) == Denial("ann", Right("patch", "", "pods/status", "a"))


@pytest.mark.parametrize(
    "error",
    [
        NotFound(404, "NotFound", LIST),
        forbidden("exceeded quota: q"),
        forbidden(f"{LIST}: an agent may only do what is its own server's"),
        forbidden('User "ann" cannot get path "/metrics"'),
        forbidden(""),
    ],
)
def test_what_no_role_gives_is_no_missing_right(error: ApiError) -> None:
    assert denial(error) is None and explained(error) == str(error)


def test_a_right_is_told_once_with_the_rule_to_add(caplog: pytest.LogCaptureFixture) -> None:
    missing = Missing(logging.getLogger("test"))
    for _ in range(100):
        missing.note(forbidden(LIST))
        missing.note(forbidden("exceeded quota"))
    (record,) = caplog.records
    assert record.getMessage() == (
        "a right is missing: ServiceAccount op of namespace sl may not list tasks.starlink.dev in the whole cluster; "
        'add to a ClusterRole that is bound to it: - {apiGroups: ["starlink.dev"], resources: [tasks], verbs: [list]}'
    )
    assert explained(forbidden(STATUS)).endswith(
        'add to a Role in namespace a that is bound to it: - {apiGroups: [""], resources: [pods/status], verbs: [patch]}'
    )


def test_all_that_are_missing_are_told_together_once_and_so_is_their_coming(caplog: pytest.LogCaptureFixture) -> None:
    missing, tasks, pods = (
        Missing(logging.getLogger("test")),
        Right("list", "starlink.dev", "tasks"),
        Right("get", "", "pods"),
    )
    caplog.set_level(logging.INFO)
    for found in ([tasks, pods], [pods, tasks], [tasks], [], [], [tasks]):
        missing.tell("User ann", found)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "rights are missing", "rights that were missing are there", "rights that were missing are there", "rights are missing",
    ]  # fmt: skip
    missing.note(forbidden(LIST))
    missing.note(forbidden(LIST.replace("at the cluster scope", 'in the namespace "team"')))
    assert len(caplog.records) == 4, "it was told before, of all namespaces"


def test_the_rules_are_yaml_and_give_just_these_rights() -> None:
    rights = {
        Right("list", "starlink.dev", "tasks"), Right("watch", "starlink.dev", "tasks"),
        Right("list", "starlink.dev", "pools"), Right("watch", "starlink.dev", "pools"),
        Right("patch", "starlink.dev", "tasks/status"), Right("get", "", "events"), Right("get", "", "events", "team"),
    }  # fmt: skip
    found = set()
    for part in remedy(rights).split("; "):
        where, _, rules = part.partition(" that is bound to it: ")
        namespace = where.removeprefix("add to a Role in namespace ") if "Role in namespace" in where else ""
        for rule in yaml.safe_load(rules.replace(" - ", "\n- ")):
            found |= {
                Right(verb, group, resource, namespace)
                for group in rule["apiGroups"] for resource in rule["resources"] for verb in rule["verbs"]
            }  # fmt: skip
    assert found == rights
    assert "resources: [pools, tasks], verbs: [list, watch]" in remedy(rights)
