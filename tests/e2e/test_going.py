"""What is being deleted says what it waits for in words, also before the operator has said any: it hangs here."""

from collections.abc import Iterator

import pytest
from tests.conftest import Starlink, eventually
from tests.hanging import stopped

API = "starlink.dev/v1alpha1"
TASK = {
    "apiVersion": API, "kind": "Task", "metadata": {"name": "stays"},
    "spec": {"template": {"command": ["sleep", "100000"]}},
}  # fmt: skip
POOL = {"apiVersion": API, "kind": "Pool", "metadata": {"name": "used", "finalizers": ["starlink.dev/in-use"]}}


@pytest.fixture(scope="module")
def silent(starlink: Starlink) -> Iterator[Starlink]:
    """A StarLink with an instance on s1, a server that nothing runs on, and a pool, whose operator hangs."""
    starlink.apply(TASK, POOL)
    eventually(lambda: starlink.condition("task", "stays", "Ready") == "True", "the task is ready")
    starlink.add_server("s2")
    with stopped(starlink.state["children"]["operator"]):
        yield starlink


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("server", "remove", "--force", "s1"), "1 instance moves to other servers, or stops, before it goes: stays-"),
        (("server", "remove", "s2"), "its instances move to other servers, or stop, before it goes"),
        (("delete", "pool", "used"), "it goes when no task names it any more and nothing runs on its servers"),
    ],
)
def test_no_finalizer_is_named_but_what_it_waits_for(silent: Starlink, words: tuple[str, ...], why: str) -> None:
    done = silent.cli(*words, "--timeout", "1s", check=False)
    assert done.returncode == 3 and "starlink.dev/" not in done.stderr, done.stderr
    called = f"{'pool' if 'pool' in words else 'server'} {words[-1]}"
    assert done.stderr.startswith(f"{called}: {why}") and f"{called} is still there after 1s: {why}" in done.stderr
