"""A server in this process whose objects are those of the cases of growing requests, and what it answers."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bench.core import answered, core
from bench.growth import prepare

from starlink.apiserver.handler import Api
from starlink.http.message import Request, Response


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with core(tmp_path) as made:
        await prepare(made)
        yield made


async def ask(api: Api, request: Request) -> tuple[int, Any]:
    """The status and the decoded body of the answer."""
    answer = await answered(api, request)
    assert isinstance(answer, Response)
    return answer.status, msgspec.json.decode(answer.body)
