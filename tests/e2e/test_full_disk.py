"""A disk that fills up: writes are refused with a Status, reads go on, and with room everything is as before."""

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import Starlink, _let_pass, eventually

from starlink.api.kinds import Kind
from starlink.client.config import load
from starlink.client.errors import ApiError
from starlink.client.kube import Client

CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", True)


@pytest.fixture
def starlink(tmp_path: Path) -> Iterator[Starlink]:
    """One whose store is alone on a file system of 8 MB."""
    _let_pass(tmp_path)
    found = Starlink(tmp_path)
    store = found.data / "store"
    store.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", store], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a file system can't be mounted here: {mounted.stderr.strip()}")
    try:
        found.up()
        yield found
    finally:
        found.remove()
        subprocess.run(["umount", "--lazy", store], check=True)


def config_map(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": {"text": "x" * 20_000}}


async def fill(client: Client) -> tuple[list[str], ApiError]:
    """Writes until that is refused; what was acknowledged, and the refusal."""
    made: list[str] = []
    while len(made) < 2000:
        try:
            await client.create(CONFIG_MAP, config_map(f"c{len(made)}"), "default")
        except ApiError as error:
            return made, error
        made.append(f"c{len(made)}")
    raise AssertionError("the disk did not fill up")


async def names(client: Client) -> set[str]:
    listed = (await client.list(CONFIG_MAP, "default")).items
    return {name for raw in listed if (name := msgspec.json.decode(raw)["metadata"]["name"]).startswith("c")}


def test_a_full_disk(starlink: Starlink) -> None:
    ballast = starlink.data / "store" / "ballast"

    async def while_it_is_full() -> set[str]:
        client = Client(load(starlink.kubeconfig))
        made, refusal = await fill(client)
        assert refusal.code == 503 and refusal.reason == "ServiceUnavailable"
        assert "could not be made durable: the disk that holds" in str(refusal) and "make room" in str(refusal)
        assert await names(client) == set(made)
        with pytest.raises(ApiError):
            await client.create(CONFIG_MAP, config_map("again"), "default")
        await client.raw("GET", "/readyz")
        client.close()
        return set(made)

    async def with_room(made: set[str]) -> None:
        client = Client(load(starlink.kubeconfig))
        await client.create(CONFIG_MAP, config_map("cc"), "default")
        assert await names(client) == {*made, "cc"}
        client.close()

    ballast.write_bytes(bytes(3_000_000))
    made = asyncio.run(while_it_is_full())
    file = starlink.folder / "b.tar.gz"
    starlink.cli("backup", str(file))  # which is made elsewhere
    ballast.unlink()
    asyncio.run(with_room(made))
    starlink.cli("down")
    with contextlib.suppress(OSError), ballast.open("wb") as out:
        while True:
            out.write(bytes(4096))
            out.flush()
    refused = starlink.cli("up", "--detach", "--name", "s1", check=False)
    if refused.returncode:  # with no room even for the files that readers share
        assert "is full; make room there, and start again" in refused.stderr or "No space left" in refused.stderr
    ballast.unlink()
    if refused.returncode:
        starlink.up()
    assert eventually(lambda: starlink.get("configmap", "cc"), "what was written is there")
