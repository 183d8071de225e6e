"""Updates. Pure."""

from bench.growing.case import CONFIG_MAPS, Case, created, named, send
from bench.growing.objects import config_map, held, managers

CASES: tuple[Case, ...] = (
    Case(
        "update: n keys change",
        lambda n: send("PUT", f"{CONFIG_MAPS}/x", named("ConfigMap", data={f"k{i}": "w" for i in range(n)})),
        2_000,
        created(CONFIG_MAPS, config_map),
    ),
    Case(
        "update: n keys go and n come",
        lambda n: send("PUT", f"{CONFIG_MAPS}/x", named("ConfigMap", data={f"w{i}": "w" for i in range(n)})),
        2_000,
        created(CONFIG_MAPS, config_map),
    ),
    Case(
        "update: managedFields of n managers",
        lambda n: send(
            "PUT", f"{CONFIG_MAPS}/x", named("ConfigMap", metadata={"managedFields": managers(n)}, data={"k1": "w"})
        ),
        1_000,
        created(CONFIG_MAPS, lambda n: named("ConfigMap", data={"k1": "v"})),
    ),
    Case(
        "update: n finalizers of what goes",
        lambda n: send("PUT", f"{CONFIG_MAPS}/x", held(n)),
        2_000,
        lambda n: (*created(CONFIG_MAPS, lambda _n: held(1))(n), send("DELETE", f"{CONFIG_MAPS}/x")),
    ),
)
