"""Rules of RBAC: what they allow, what they cover, what is gathered."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlink.apiserver.security.authorization.rbac import Attributes, Rule, aggregated, allows, covers


def rule(verbs: str, group: str, resources: str, *names: str) -> Rule:
    return Rule(tuple(verbs.split()), (group,), tuple(resources.split()), names)


def asked(verb: str, group: str, resource: str, name: str = "") -> Attributes:
    plural, _, subresource = resource.partition("/")
    return Attributes(verb, group, resource=plural, subresource=subresource, name=name)


READ = rule("get list", "starlink.dev", "tasks")


@pytest.mark.parametrize(
    ("given_rule", "request_", "allowed"),
    [
        (READ, asked("get", "starlink.dev", "tasks", "a"), True),
        (READ, asked("delete", "starlink.dev", "tasks", "a"), False),
        (READ, asked("get", "", "tasks"), False),
        (READ, asked("get", "starlink.dev", "tasks/status"), False),
        (rule("*", "*", "*"), asked("escalate", "x", "y/z", "n"), True),
        (rule("get", "*", "tasks/scale"), asked("get", "starlink.dev", "tasks/scale"), True),
        (rule("get", "*", "tasks/scale"), asked("get", "starlink.dev", "tasks"), False),
        (rule("get", "*", "*/scale"), asked("get", "starlink.dev", "tasks/scale"), True),
        (rule("get", "*", "*/scale"), asked("get", "starlink.dev", "tasks/status"), False),
        (rule("get", "*", "*/scale"), asked("get", "starlink.dev", "tasks"), False),
        (rule("get", "*", "tasks/*"), asked("get", "starlink.dev", "tasks/status"), False),
        (rule("get", "*", "task*"), asked("get", "starlink.dev", "tasks"), False),
        (rule("get", "", "secrets", "a", "b"), asked("get", "", "secrets", "b"), True),
        (rule("get", "", "secrets", "a"), asked("get", "", "secrets", "c"), False),
        (rule("list", "", "secrets", "a"), asked("list", "", "secrets"), False),
        (rule("*", "*", "*"), Attributes("get", path="/metrics"), False),
        (Rule(("get",), urls=("/healthz",)), Attributes("get", path="/healthz"), True),
        (Rule(("get",), urls=("/healthz",)), Attributes("get", path="/healthz/etcd"), False),
        (Rule(("get",), urls=("/healthz/*",)), Attributes("get", path="/healthz/etcd"), True),
        (Rule(("get",), urls=("/healthz/*",)), Attributes("get", path="/healthz"), False),
        (Rule(("get",), urls=("*",)), Attributes("get", path="/anything"), True),
        (Rule(("get",), urls=("*",)), Attributes("post", path="/anything"), False),
        (Rule(("*",), urls=("*",)), asked("get", "", "secrets"), False),
    ],
)
def test_what_a_rule_allows(given_rule: Rule, request_: Attributes, allowed: bool) -> None:
    assert allows(given_rule, request_) is allowed


def test_a_rule_is_read_and_written() -> None:
    policy = {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"]}
    assert Rule.of(policy).as_dict() == policy
    assert Rule.of({"verbs": ["get"], "apiGroups": None, "nonResourceURLs": ["/a"]}) == Rule(("get",), urls=("/a",))


def test_what_is_not_covered_is_told_one_by_one() -> None:
    wanted = rule("get create", "", "secrets configmaps")
    assert covers([rule("get", "", "configmaps"), rule("*", "apps", "*")], [wanted]) == (
        rule("get", "", "secrets"),
        rule("create", "", "secrets"),
        rule("create", "", "configmaps"),
    )


@pytest.mark.parametrize(
    ("owner", "wanted", "covered"),
    [
        (rule("get", "", "secrets", "a"), rule("get", "", "secrets"), False),
        (rule("get", "", "secrets"), rule("get", "", "secrets", "a"), True),
        (rule("get", "", "secrets", "a", "b"), rule("get", "", "secrets", "b"), True),
        (rule("get", "", "secrets", ""), rule("get", "", "secrets"), False),
        (rule("get", "", "*/scale"), rule("get", "", "tasks/scale */scale"), True),
        (rule("get", "", "tasks/scale"), rule("get", "", "*/scale"), False),
        (rule("get list", "", "tasks"), rule("*", "", "tasks"), False),
        (Rule(("get",), urls=("/a/*",)), Rule(("get",), urls=("/a/b", "/a/*", "/a/b/*")), True),
        (Rule(("get",), urls=("/a/*",)), Rule(("get",), urls=("/a",)), False),
    ],
)
def test_what_a_rule_covers(owner: Rule, wanted: Rule, covered: bool) -> None:
    assert (covers([owner], [wanted]) == ()) is covered


def some(*values: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True).map(tuple)


VERBS = some("get", "list", "create", "*")
resource_rules = st.builds(
    Rule,
    VERBS,
    some("", "apps", "starlink.dev", "*"),
    some("secrets", "tasks", "tasks/scale", "tasks/status", "*/scale", "*"),
    st.one_of(st.just(()), some("a", "b")),
)
url_rules = st.builds(Rule, VERBS, urls=some("/a", "/a/b", "/a/*", "/a/b*", "*"))
rules = st.one_of(resource_rules, url_rules)
requests = st.one_of(
    st.builds(
        asked,
        st.sampled_from(["get", "list", "create", "delete"]),
        st.sampled_from(["", "apps", "other"]),
        st.sampled_from(["secrets", "tasks", "tasks/scale", "tasks/status", "pools/scale"]),
        st.sampled_from(["", "a", "b", "c"]),
    ),
    st.builds(
        Attributes, st.sampled_from(["get", "post"]), path=st.sampled_from(["/a", "/a/b", "/a/bc", "/a/c", "/d"])
    ),
)


def decomposed(wanted: Rule) -> list[Attributes]:
    resources = product(wanted.verbs, wanted.groups, wanted.resources, wanted.names or ("",))
    return [asked(*each) for each in resources] + [
        Attributes(verb, path=url) for verb, url in product(wanted.verbs, wanted.urls)
    ]


@given(st.lists(rules, max_size=4), st.lists(rules, max_size=3))
def test_rules_are_covered_exactly_when_each_part_is_allowed(owner: list[Rule], wanted: list[Rule]) -> None:
    parts = [part for each in wanted for part in decomposed(each)]
    refused = [part for part in parts if not any(allows(each, part) for each in owner)]
    missing = covers(owner, wanted)
    assert len(missing) == len(refused)
    assert sorted(map(repr, (part for each in missing for part in decomposed(each)))) == sorted(map(repr, refused))


@given(st.lists(rules, max_size=4), rules, requests)
def test_who_covers_a_rule_may_do_all_that_it_allows(owner: list[Rule], wanted: Rule, request_: Attributes) -> None:
    if not covers(owner, [wanted]) and allows(wanted, request_):
        assert any(allows(each, request_) for each in owner)


@given(st.lists(rules, max_size=4))
def test_one_covers_oneself(owned: list[Rule]) -> None:
    assert covers(owned, owned) == ()


def role(name: str, verb: str = "", gathers: list[dict[str, Any]] | None = None, **labels: str) -> dict[str, Any]:
    made: dict[str, Any] = {"metadata": {"name": name, "labels": labels}}
    if gathers is not None:
        made["aggregationRule"] = {"clusterRoleSelectors": gathers}
    return {**made, "rules": [policy(verb)] if verb else None}


def policy(verb: str) -> dict[str, Any]:
    return {"verbs": [verb], "apiGroups": [""], "resources": ["x"]}


def test_rules_are_gathered_by_name_and_once() -> None:
    top = role("top", "stale", [{"matchLabels": {"to": "top"}}])
    others = [role("c", "get", to="top"), role("b", "list", to="top"), role("a", "get", to="top"), role("d", "no")]
    assert aggregated(top, [top, *others]) == [policy("get"), policy("list")]


def test_what_a_gathered_role_gathers_comes_with_it_and_circles_end() -> None:
    top = role("top", gathers=[{"matchLabels": {"to": "top"}}], to="middle")
    middle = role("middle", "stale", [{"matchLabels": {"to": "middle"}}], to="top")
    assert aggregated(top, [top, middle, role("leaf", "get", to="middle")]) == [policy("get")]


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({}, "ab"),
        ({"matchLabels": {"k": "1"}}, "a"),
        ({"matchExpressions": [{"key": "k", "operator": "In", "values": ["1", "2"]}]}, "a"),
        ({"matchExpressions": [{"key": "k", "operator": "NotIn", "values": ["1"]}]}, "b"),
        ({"matchExpressions": [{"key": "k", "operator": "Exists"}]}, "a"),
        ({"matchExpressions": [{"key": "k", "operator": "DoesNotExist"}]}, "b"),
        ({"matchLabels": {"k": "1"}, "matchExpressions": [{"key": "k", "operator": "DoesNotExist"}]}, ""),
    ],
)
def test_selectors(selector: dict[str, Any], selected: str) -> None:
    top = role("top", gathers=[selector])
    found = aggregated(top, [top, role("a", "a", k="1"), role("b", "b")])
    assert "".join(rule["verbs"][0] for rule in found) == selected


def test_no_selector_gathers_nothing() -> None:
    assert aggregated(role("top", "stale", []), [role("a", "a")]) == []
