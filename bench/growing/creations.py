"""Creates. Pure."""

import base64

from bench.growing.case import CONFIG_MAPS, REVISIONS, SECRETS, SLICES, TASKS, Case, Obj, creation, named, pairs, words
from bench.growing.objects import config_map, empty_map, held, managers, owned_map, owners


def _nested(n: int) -> Obj:
    inner: Obj = {}
    for _ in range(n):
        inner = {"a": inner}
    return inner


def _revision(data: bytes) -> bytes:
    """A body as it is sent, with free data."""
    head = b'{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{"name":"x"},"revision":1,"data":'
    return head + data + b"}"


def _twice(n: int) -> bytes:
    return b",".join(b'"k%d":"v","k%d":"v"' % (i, i) for i in range(n))


CASES: tuple[Case, ...] = (
    creation("create: a map of n keys", CONFIG_MAPS, config_map, 4_000),
    creation("create: n bytes in one value", CONFIG_MAPS, lambda n: named("ConfigMap", data={"k": "v" * n}), 100_000),
    creation(
        "create: n keys that are none",
        CONFIG_MAPS,
        lambda n: named("ConfigMap", data={f"k {i}": "v" for i in range(n)}),
        2_000,
    ),
    creation(
        "create: n values of a wrong type",
        CONFIG_MAPS,
        lambda n: named("ConfigMap", data={f"k{i}": 1 for i in range(n)}),
        2_000,
    ),
    creation("create: n keys of a Secret", SECRETS, lambda n: named("Secret", stringData=pairs(n)), 4_000),
    creation(
        "create: n keys of a Secret that are no base64",
        SECRETS,
        lambda n: named("Secret", data={f"k{i}": "%" for i in range(n)}),
        4_000,
    ),
    creation(
        "create: n bytes of base64",
        SECRETS,
        lambda n: named("Secret", data={"k": base64.b64encode(b"x" * n).decode()}),
        100_000,
    ),
    creation("create: n labels", CONFIG_MAPS, lambda n: named("ConfigMap", metadata={"labels": pairs(n)}), 4_000),
    creation(
        "create: n bad labels",
        CONFIG_MAPS,
        lambda n: named("ConfigMap", metadata={"labels": {f"k{i} ": " " for i in range(n)}}),
        2_000,
    ),
    creation(
        "create: a label n long",
        CONFIG_MAPS,
        lambda n: named("ConfigMap", metadata={"labels": {"a" * n + "!": "a." * n + "!"}}),
        100_000,
    ),
    creation("create: a name n long", CONFIG_MAPS, lambda n: named("ConfigMap", name="a-." * n + "!"), 100_000),
    creation(
        "create: n annotations", CONFIG_MAPS, lambda n: named("ConfigMap", metadata={"annotations": pairs(n)}), 4_000
    ),
    creation("create: n finalizers", CONFIG_MAPS, held, 4_000),
    creation(
        "create: n bad finalizers",
        CONFIG_MAPS,
        lambda n: named("ConfigMap", metadata={"finalizers": words(n, "!")}),
        2_000,
    ),
    creation("create: n owners", CONFIG_MAPS, owned_map, 2_000),
    creation(
        "create: n controllers",
        CONFIG_MAPS,
        lambda n: named("ConfigMap", metadata={"ownerReferences": owners(n, controller=True)}),
        300,
    ),
    creation(
        "create: n owners that are none",
        CONFIG_MAPS,
        lambda n: named("ConfigMap", metadata={"ownerReferences": [{}] * n}),
        1_000,
    ),
    creation(
        "create: managedFields of n managers",
        CONFIG_MAPS,
        lambda n: named("ConfigMap", metadata={"managedFields": managers(n)}),
        1_000,
    ),
    creation("create: n unknown fields", CONFIG_MAPS, lambda n: {**empty_map(n), **pairs(n)}, 4_000),
    creation(
        "create: n unknown fields, strictly",
        CONFIG_MAPS,
        lambda n: {**empty_map(n), **pairs(n)},
        4_000,
        fieldValidation="Strict",
    ),
    creation(
        "create: n fields said twice",
        CONFIG_MAPS,
        lambda n: b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{%s}}' % _twice(n),
        3_000,
    ),
    creation(
        "create: n fields said twice below a long name",
        REVISIONS,
        lambda n: _revision(b'{"%s":{%s}}' % (b"n" * n * 4, _twice(n))),
        2_000,
    ),
    creation(
        "create: n escapes below a long name",
        REVISIONS,
        lambda n: _revision(b'{"%s":{"\\u0061":1,%s}}' % (b"n" * n * 4, b",".join(b'"k%d":{}' % i for i in range(n)))),
        2_000,
    ),
    creation("create: nested n deep", CONFIG_MAPS, lambda n: {**empty_map(n), "data": _nested(n)}, 60),
    creation("create: n brackets", CONFIG_MAPS, lambda n: b"[" * n, 100_000),
    creation(
        "create: a number of n digits",
        REVISIONS,
        lambda n: _revision(b'{"a":%s}' % (b"1" * n)),
        100_000,
    ),
    creation(
        "create: a fraction of n digits",
        REVISIONS,
        lambda n: _revision(b'{"a":1.%s}' % (b"1" * n)),
        100_000,
    ),
    creation(
        "create: n free values",
        REVISIONS,
        lambda n: named("ControllerRevision", "apps/v1", revision=1, data={"list": list(range(n))}),
        12_000,
    ),
    creation(
        "create: n values, and n more in text",
        REVISIONS,
        lambda n: _revision(b'{"list":[%s],"text":"%s"}' % (b",".join([b"1"] * n), rb"\",{:[" * n)),
        12_000,
    ),
    creation(
        "create: n values that are too many", REVISIONS, lambda n: _revision(b"[" + b"[],[]," * n + b"1]"), 50_000
    ),
    creation("create: n quotes and a long number", REVISIONS, lambda n: b'""' * n + b"1" * 500, 150_000),
    creation(
        "create: n endpoints",
        SLICES,
        lambda n: named(
            "EndpointSlice",
            "discovery.k8s.io/v1",
            addressType="IPv4",
            endpoints=[{"addresses": [f"10.0.{i >> 8 & 255}.{i & 255}"]} for i in range(n)],
        ),
        1_000,
    ),
    creation(
        "create: n environment variables",
        TASKS,
        lambda n: named(
            "Task",
            "starlink.dev/v1alpha1",
            spec={"template": {"command": ["x"], "env": [{"name": f"K{i}", "value": "v"} for i in range(n)]}},
        ),
        1_000,
    ),
    creation(
        "create: n arguments",
        TASKS,
        lambda n: named("Task", "starlink.dev/v1alpha1", spec={"template": {"command": words(n)}}),
        4_000,
    ),
    creation(
        "create: n resources",
        TASKS,
        lambda n: named(
            "Task",
            "starlink.dev/v1alpha1",
            spec={"template": {"command": ["x"], "resources": {"requests": {f"k{i}": "1" for i in range(n)}}}},
        ),
        1_000,
    ),
)
