"""What a custom kind's schema is asked about. Pure."""

from bench.growing.case import WIDGETS, Case, creation, words
from bench.growing.kind import widget
from bench.growing.objects import parts

CASES: tuple[Case, ...] = (
    creation("list map: n entries", WIDGETS, lambda n: widget(parts=parts(n)), 1_000),
    creation("list map: n twins", WIDGETS, lambda n: widget(parts=parts(n) * 2), 1_000),
    creation(
        "list map: n wrong entries",
        WIDGETS,
        lambda n: widget(parts=[{"name": f"k{i}", "size": -1} for i in range(n)]),
        1_000,
    ),
    creation("list map: n entries that a rule refuses", WIDGETS, lambda n: widget(parts=[{"name": "bad"}] * n), 1_000),
    creation("set: n values", WIDGETS, lambda n: widget(set=words(n)), 4_000),
    creation("list: n numbers", WIDGETS, lambda n: widget(plain=list(range(n))), 10_000),
    creation("list: n wrong numbers", WIDGETS, lambda n: widget(plain=["x"] * n), 2_000),
    creation("list: n wrong numbers in a list of n", WIDGETS, lambda n: widget(plain=["x" * n] * 50), 2_000),
    creation(
        "map: n wrong values below a long name",
        WIDGETS,
        lambda n: widget(map={"n" * n * 4: {f"f{i}": "x" for i in range(n)}}),
        2_000,
    ),
    creation(
        "map: n values below a long name",
        WIDGETS,
        lambda n: widget(map={"n" * n * 4: {f"f{i}": i for i in range(n)}}),
        4_000,
    ),
    creation(
        "map: n unknown fields below a long name",
        WIDGETS,
        lambda n: widget(map={"n" * n * 4: {f"f{i}": i for i in range(n)}}, other={f"f{i}": {} for i in range(n)}),
        2_000,
    ),
    creation("junctors: n entries of none", WIDGETS, lambda n: widget(either=[{}] * n), 1_000),
    creation(
        "rule: n values in a list of n",
        WIDGETS,
        lambda n: widget(both={"a": words(n), "b": words(n)[::-1]}),
        1_000,
    ),
    creation("format: a duration n long", WIDGETS, lambda n: widget(duration="1" * n), 2_000),
    creation("format: a spoken duration n long", WIDGETS, lambda n: widget(duration="1 " * n), 2_000),
    creation("format: a hostname n long", WIDGETS, lambda n: widget(hostname="a." * n + "!"), 20_000),
    creation("format: an email n long", WIDGETS, lambda n: widget(email="a" * n + "<"), 20_000),
    creation("format: an URI n long", WIDGETS, lambda n: widget(uri="http://" + "a" * n + "["), 20_000),
    creation("pattern: a text n long", WIDGETS, lambda n: widget(pattern="a" * n + "b"), 100_000),
)
