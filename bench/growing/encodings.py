"""Creates in YAML and protobuf. Pure."""

from bench.growing import messages
from bench.growing.case import CONFIG_MAPS, PROTOBUF, YAML, Case, creation

CASES: tuple[Case, ...] = (
    creation(
        "YAML: n keys",
        CONFIG_MAPS,
        lambda n: (
            b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n"
            + b"".join(b"  k%d: v\n" % i for i in range(n))
        ),
        2_000,
        YAML,
    ),
    creation("YAML: a flow list of n", CONFIG_MAPS, lambda n: b"[" + b"a," * n + b"a]", 4_000, YAML),
    creation("YAML: n documents", CONFIG_MAPS, lambda n: b"a: b\n---\n" * n, 1_000, YAML),
    creation(
        "YAML: n tag directives",
        CONFIG_MAPS,
        lambda n: b"".join(b"%%TAG !a%d! b\n" % i for i in range(n)) + b"--- a\n",
        4_000,
        YAML,
    ),
    creation(
        "YAML: n anchors", CONFIG_MAPS, lambda n: b"[" + b"".join(b"&a%d b," % i for i in range(n)) + b"c]", 2_000, YAML
    ),
    creation("YAML: n aliases", CONFIG_MAPS, lambda n: b"[&a b," + b"*a," * n + b"c]", 2_000, YAML),
    creation("YAML: n brackets", CONFIG_MAPS, lambda n: b"[" * n, 100_000, YAML),
    creation("YAML: n dashes", CONFIG_MAPS, lambda n: b"- " * n + b"a", 100_000, YAML),
    creation("YAML: n question marks", CONFIG_MAPS, lambda n: b"? " * n + b"a", 100_000, YAML),
    creation("YAML: n lines of a folded text", CONFIG_MAPS, lambda n: b"a: >\n" + b"  b\n\n" * n, 20_000, YAML),
    creation("YAML: n comments", CONFIG_MAPS, lambda n: b"#\n" * n + b"a: b", 100_000, YAML),
    creation("YAML: n escapes", CONFIG_MAPS, lambda n: b'"' + b"\\x41" * n + b'"', 50_000, YAML),
    creation("YAML: a number of n digits", CONFIG_MAPS, lambda n: b"a: " + b"1" * n, 100_000, YAML),
    creation("protobuf: n keys", CONFIG_MAPS, messages.config_map, 2_000, PROTOBUF),
    creation("protobuf: n owners", CONFIG_MAPS, messages.owned, 1_000, PROTOBUF),
    creation(
        "protobuf: n bytes of nothing", CONFIG_MAPS, lambda n: b"k8s\0" + messages.field(2, b"") * n, 20_000, PROTOBUF
    ),
)
