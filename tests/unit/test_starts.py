"""What the parts load when they start: a module that few of them need is loaded by who needs it. Told by names, for
what a start takes depends on the machine."""

import gc
import subprocess
import sys

import pytest

from starlink import collector

NEVER = ("kubernetes", "pydantic", "jinja2", "grpc", "etcd_pb2", "xmlrpc", "multiprocessing", "unittest")
LEFT_OUT = {
    "starlink.apiserver.__main__": ("yaml", "google.protobuf", "aiohttp", "numpy", "kopf", "rich", "click", *NEVER),
    "starlink_operator.__main__": ("yaml", "aiohttp.web", "tarfile", "cryptography", "sqlite3", "rich", *NEVER),
    "starlink_nodeagent.__main__": ("yaml", "cryptography", "sqlite3", "rich", "click", "numpy", "aiohttp", *NEVER),
    "starlink.cli.up": ("yaml", "cryptography", "sqlite3", "numpy", "aiohttp", "kopf", "starlink.apiserver", *NEVER),
}


@pytest.mark.parametrize("part", LEFT_OUT)
def test_a_part_starts_without(part: str) -> None:
    say = f"import sys, {part}; print(*(name for name, module in sys.modules.items() if module is not None))"
    said = subprocess.run([sys.executable, "-c", say], capture_output=True, text=True, check=True, timeout=300)
    loaded = said.stdout.split()
    assert part in loaded
    unwanted = [name for name in loaded for left in LEFT_OUT[part] if name == left or name.startswith(f"{left}.")]
    assert unwanted == []


def test_contexts_that_aiohttp_made_for_itself_trust_nobody_and_later_ones_as_always() -> None:
    say = """
import starlink_operator.__main__, ssl
from aiohttp.connector import _SSL_CONTEXT_VERIFIED as made
print(made.verify_mode == ssl.CERT_REQUIRED, len(made.get_ca_certs()), "set_default_verify_paths" in vars(ssl.SSLContext))
"""
    said = subprocess.run([sys.executable, "-c", say], capture_output=True, text=True, check=True, timeout=300).stdout
    assert said.split() == ["True", "0", "False"]


@pytest.mark.parametrize("part", [*(part for part in LEFT_OUT if part.endswith("__main__")), "starlink.cli.__main__"])
def test_no_cycles_are_looked_for_while_a_part_is_loaded(part: str) -> None:
    say = f"""
import gc
def looks(): return sum(generation["collections"] for generation in gc.get_stats())
before = looks()
import {part}
print(gc.isenabled(), looks() - before)
"""
    said = subprocess.run([sys.executable, "-c", say], capture_output=True, text=True, check=True, timeout=300).stdout
    rests, looks = said.split()
    assert rests == "False" and int(looks) <= 2, "it is told to rest by the first lines"


def test_the_collector_begins_with_what_comes_after() -> None:
    frozen = gc.get_freeze_count()
    try:
        collector.rest()
        assert not gc.isenabled()
        collector.begin()
        assert gc.isenabled() and gc.get_freeze_count() > frozen
    finally:
        gc.enable()
        gc.unfreeze()
