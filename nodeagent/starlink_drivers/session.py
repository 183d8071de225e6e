"""What a driver is told by the agent, and what it says in return."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from starlink.api.assignment import LARGEST_RESULT


class Wish(msgspec.Struct, frozen=True, rename="camel"):
    """What the operator wants of a driver, as it stands in the file of `$STARLINK_SPEC`."""

    operation: str
    spec: dict[str, Any]
    host_ports: tuple[int, ...] = ()


Work = Callable[["Session", Wish], Awaitable[int]]
"""Does what is wished and gives the exit status. Cancelled when something else is wished."""


class Session:
    """A driver's run. `$STARLINK_RESULT` is where it says what it has found."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self._spec, self._result = Path(environ["STARLINK_SPEC"]), Path(environ["STARLINK_RESULT"])
        self._told = asyncio.Event()

    def listen(self) -> None:
        """Hears of changes from now on. SIGHUP is ignored up to here, so what is read later is the latest."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._told.set)

    def read(self) -> Wish:
        """What is wished now. The standard input is the same file as it was when the run was started."""
        return msgspec.json.decode(self._spec.read_bytes(), type=Wish)

    async def changed(self, wish: Wish) -> Wish:
        """Waits until something else is wished."""
        while True:
            await self._told.wait()
            self._told.clear()
            if (now := self.read()) != wish:
                return now

    async def obey(self, operations: Mapping[str, Work]) -> int:
        """Does what is wished, and in its place what is wished later; gives the exit status of what came to its end."""
        wish = self.read()
        while True:
            doing = asyncio.ensure_future(operations[wish.operation](self, wish))
            changed = asyncio.ensure_future(self.changed(wish))
            try:
                await asyncio.wait((doing, changed), return_when=asyncio.FIRST_COMPLETED)
                if doing.done():
                    return doing.result()
                wish = changed.result()
            finally:
                for task in (doing, changed):
                    task.cancel()
                await asyncio.gather(doing, changed, return_exceptions=True)

    def report(self, result: Mapping[str, Any]) -> None:
        """Says what was found, in place of what was said before; whoever reads it sees the one or the other."""
        content = msgspec.json.encode(result)
        if len(content) > LARGEST_RESULT:
            raise ValueError(f"a result of {len(content)} bytes; say it in {LARGEST_RESULT}")
        partial = self._result.with_name(f"{self._result.name}.new")  # one name: a killed self's is overwritten
        descriptor = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        partial.replace(self._result)
