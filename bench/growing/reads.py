"""Lists and deletes. Pure."""

from bench.growing.case import CONFIG_MAPS, WIDGETS, Case, asked, created, named, pairs, send, words
from bench.growing.kind import widget
from bench.growing.objects import held, parts

CASES: tuple[Case, ...] = (
    Case(
        "list: a label selector of n terms",
        lambda n: send("GET", CONFIG_MAPS, labelSelector=",".join(words(n, "!k"))),
        2_000,
    ),
    Case(
        "list: a label selector of n values",
        lambda n: send("GET", CONFIG_MAPS, labelSelector=f"a in ({','.join(words(n))})"),
        4_000,
    ),
    Case(
        "list: a label selector of n spaces",
        lambda n: send("GET", CONFIG_MAPS, labelSelector="a" + " " * n + "=b"),
        1_000,
    ),
    Case(
        "list: a label selector that ends with n spaces",
        lambda n: send("GET", CONFIG_MAPS, labelSelector="a=b" + " " * n),
        1_000,
    ),
    Case(
        "list: a label selector of a number of n digits",
        lambda n: send("GET", CONFIG_MAPS, labelSelector="a>" + "1" * n),
        8_000,
    ),
    Case(
        "list: a field selector of n terms",
        lambda n: send("GET", CONFIG_MAPS, fieldSelector=",".join(["metadata.name!=x"] * n)),
        2_000,
    ),
    Case("list: a continue token of n bytes", lambda n: asked(CONFIG_MAPS, {"continue": "A" * n}), 8_000),
    Case("list: n queries", lambda n: asked(CONFIG_MAPS, pairs(n)), 2_000),
    Case(
        "list: an Accept header of n clauses",
        lambda n: send("GET", CONFIG_MAPS, accept=",".join(["a/b;c=d"] * n)),
        2_000,
    ),
    Case(
        "get: a Table of n entries",
        lambda n: send("GET", f"{WIDGETS}/x", accept="application/json;as=Table;v=v1;g=meta.k8s.io"),
        1_000,
        created(WIDGETS, lambda n: widget(parts=parts(n))),
    ),
    Case(
        "list: a Table of n objects",
        lambda n: send("GET", CONFIG_MAPS, accept="application/json;as=Table;v=v1;g=meta.k8s.io"),
        300,
        lambda n: [
            send("DELETE", CONFIG_MAPS),
            *(send("POST", CONFIG_MAPS, named("ConfigMap", name=f"t{i}")) for i in range(n)),
        ],
    ),
    Case(
        "delete: n finalizers",
        lambda n: send("DELETE", f"{CONFIG_MAPS}/x", {"propagationPolicy": "Foreground"}),
        2_000,
        created(CONFIG_MAPS, held),
    ),
    Case(
        "delete: options of n fields",
        lambda n: send("DELETE", f"{CONFIG_MAPS}/x", {**pairs(n), "kind": "DeleteOptions"}),
        4_000,
    ),
    Case(
        "deletecollection: n objects",
        lambda n: send("DELETE", CONFIG_MAPS),
        50,
        lambda n: [send("POST", CONFIG_MAPS, named("ConfigMap", name=f"k{i}")) for i in range(n)],
    ),
)
