"""What an expression may take over the values that are there, and what is not run for it."""

from typing import Any

import pytest
from cel_expr_python import cel as engine

from starlink.apiserver.cel import library, syntax
from starlink.apiserver.cel.cost import budget
from starlink.apiserver.cel.cost.bound import MOST_TURNS, OF_EXPRESSION, OF_OBJECT, bound
from starlink.apiserver.cel.cost.budget import SPENT, TOO_DEAR, Budget, Gauge, Values
from starlink.apiserver.cel.cost.measure import NOTHING, Extent, anything, measure

ENV = library.environment({"self": engine.Type.DYN, "oldSelf": engine.Type.DYN})
NUMBERS = list(range(5_000))
WORDS = [f"word-{i}" for i in range(3_000)]


def gauge(text: str) -> Gauge:
    return Gauge(library.compiled(ENV, text))


def taken(text: str, value: Any) -> int:
    return gauge(text).of(Values({"self": value}))


def at_worst(text: str, length: int) -> int:
    return gauge(text).worst(length)


DEAR = [
    ("self.a.all(x, !(x in self.b))", {"a": NUMBERS, "b": [-number for number in range(1, 5_000)]}),
    ("self.a.all(x, self.b == self.c)", {"a": NUMBERS, "b": WORDS, "c": WORDS}),
    ("self.a.all(x, self.b == self.c)", {"a": NUMBERS, "b": [[WORDS]], "c": [[WORDS]]}),
    ("self.a.all(x, self.b.sum() > 0)", {"a": NUMBERS, "b": NUMBERS}),
    ("self.a.all(x, x.matches(self.p))", {"a": WORDS, "p": "(a{30}){30}"}),
    ("self.a.all(x, x.matches('^(a{30}){30}$'))", {"a": WORDS}),
    ("self.a.map(x, x).size() > 1", {"a": NUMBERS}),
    ("self.a.filter(x, x > 1).size() > 1", {"a": NUMBERS}),
    ("sets.contains(self.a, self.a)", {"a": NUMBERS}),
    ("self.a.replace('a', self.a).size() > 1", {"a": "a" * 100_000}),
    ("cel.bind(b, self.b, self.a.all(x, !(x in b)))", {"a": NUMBERS, "b": NUMBERS}),
    ("self.a.all(k, !(self.a[k] in self.b))", {"a": dict.fromkeys(WORDS, 1), "b": NUMBERS}),
    ("self.a.all(i, v, !(v in self.b))", {"a": NUMBERS, "b": NUMBERS}),
    ("self.l.all(o, !(o.v in self.b))", {"l": [{"v": number} for number in NUMBERS], "b": NUMBERS}),
    ("self.a.all(x, x in self.b ? x in self.b : x in self.b)", {"a": NUMBERS, "b": NUMBERS}),
    ("self.a.all(x, self.s.contains(self.t))", {"a": NUMBERS, "s": "a" * 100_000, "t": "a" * 1_000 + "b"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), DEAR, ids=[text for text, _ in DEAR])
def test_what_takes_long_is_not_run(text: str, value: Any) -> None:
    assert taken(text, value) > OF_EXPRESSION
    assert Budget().refusal(gauge(text), Values({"self": value})) == TOO_DEAR


CHEAP = [
    ("self.a.all(x, x > -1)", {"a": NUMBERS}),
    ("self.a.all(x, x in [1, 2, 3] || x > 5)", {"a": NUMBERS}),
    ("self.a.all(x, x.size() > 3 && x.startsWith('w'))", {"a": WORDS}),
    ("self.a.exists(x, x == 'w')", {"a": WORDS}),
    ("self.a == self.b", {"a": WORDS, "b": WORDS}),
    ("self.s.matches('^a*$')", {"s": "a" * 1_000_000}),
    ("self.a.all(k, self.a[k] == 'x')", {"a": dict.fromkeys(WORDS, "x")}),
    ("self.l.all(o, o.tags.all(t, t.size() > 1))", {"l": [{"tags": ["ab"] * 5}] * 1_000}),
    ("self.a.all(x, quantity(x).isLessThan(quantity('5')))", {"a": ["1"] * 1_000}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), CHEAP, ids=[text for text, _ in CHEAP])
def test_large_objects_may_be_looked_at_once(text: str, value: Any) -> None:
    assert taken(text, value) <= OF_EXPRESSION
    assert Budget().refusal(gauge(text), Values({"self": value})) == ""


@pytest.mark.parametrize(("text", "value"), DEAR + CHEAP)
def test_the_worst_of_a_length_is_no_less(text: str, value: Any) -> None:
    values = Values({"self": value})
    assert at_worst(text, values.length) >= gauge(text).of(values)


def test_small_values_are_told_by_their_length_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Any] = []

    def look(value: Any) -> Extent:
        looked.append(value)
        return NOTHING

    monkeypatch.setattr(budget, "measure", look)
    values = Values({"self": {"a": ["x"] * 20}})
    assert Budget().refusal(gauge("self.a.all(x, x == 'x')"), values) == ""
    assert not looked


def test_what_runs_is_spent() -> None:
    left, runs = Budget(), 0
    values, one = Values({"self": {"a": NUMBERS}}), gauge("self.a.all(x, x > -1)")
    while not (refusal := left.refusal(one, values)):
        runs += 1
    assert refusal == SPENT
    assert runs <= OF_OBJECT // one.of(values)
    assert left.refusal(one, values) == SPENT, "nothing more is run"


def test_loops_within_loops_have_ten_thousand_turns_together() -> None:
    nested = taken("self.a.all(x, self.a.all(y, self.a.all(z, true)))", {"a": [1] * 100})
    assert nested <= MOST_TURNS * 10_000


def test_the_items_of_a_list_are_one() -> None:
    extent = measure({"l": [{"a": "xy"}, {"a": "x" * 9, "b": [1, 2]}, "text"], "m": {"key": None}})
    items = extent.fields["l"].items
    assert items is not None and (items.fields["a"].length, items.fields["b"].length) == (9, 2)
    assert (extent.length, extent.fields["l"].length, extent.fields["m"].key) == (2, 3, 3)


def test_entries_of_a_large_map_are_one() -> None:
    extent = measure({f"k{i}": "x" * (i % 7) for i in range(10_000)})
    assert extent.values is not None and extent.values.length == 6 and not extent.fields
    assert extent.weight < 100_000


def test_what_is_not_known_may_be_as_long_as_all_there_is() -> None:
    tree = syntax.read(library.compiled(ENV, "self.a.all(x, x in self.b)"))
    assert bound(tree, {}, anything(100)) < bound(tree, {}, anything(1_000)) < bound(tree, {}, anything(10_000))
