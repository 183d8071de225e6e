"""Server-side applies. Pure."""

from bench.growing.case import APPLY, CONFIG_MAPS, WIDGETS, Case, created, named, pairs, patching, send, words
from bench.growing.kind import widget
from bench.growing.objects import config_map, empty_map, managers, parts

CASES: tuple[Case, ...] = (
    patching("apply: n new keys", CONFIG_MAPS, empty_map, config_map, APPLY, 2_000, fieldManager="m"),
    patching(
        "apply: n keys that another owns",
        CONFIG_MAPS,
        config_map,
        lambda n: named("ConfigMap", data={f"k{i}": "w" for i in range(n)}),
        APPLY,
        1_000,
        fieldManager="m",
    ),
    patching(
        "apply: n entries of a list map",
        WIDGETS,
        lambda n: widget(parts=parts(n)),
        lambda n: widget(parts=parts(n)[::-1]),
        APPLY,
        1_000,
        fieldManager="m",
        force="true",
    ),
    patching(
        "apply: n entries come after n",
        WIDGETS,
        lambda n: widget(parts=parts(n)),
        lambda n: widget(parts=parts(n, n)),
        APPLY,
        1_000,
        fieldManager="m",
        force="true",
    ),
    patching(
        "apply: n entries of a set",
        WIDGETS,
        lambda n: widget(set=words(n)),
        lambda n: widget(set=words(n)[::-1]),
        APPLY,
        2_000,
        fieldManager="m",
        force="true",
    ),
    patching(
        "apply: a key beside n managers",
        CONFIG_MAPS,
        lambda n: named("ConfigMap", data=pairs(n)),
        lambda _n: named("ConfigMap", data={"k1": "w"}),
        APPLY,
        1_000,
        fieldManager="m",
    ),
    Case(
        "apply: n keys of n managers",
        lambda n: send(
            "PATCH",
            f"{CONFIG_MAPS}/x",
            named("ConfigMap", data={f"k{i}": "w" for i in range(n)}),
            APPLY,
            fieldManager="m",
        ),
        500,
        lambda n: (
            *created(CONFIG_MAPS, config_map)(n),
            send("PUT", f"{CONFIG_MAPS}/x", named("ConfigMap", metadata={"managedFields": managers(n)}, data=pairs(n))),
        ),
    ),
)
