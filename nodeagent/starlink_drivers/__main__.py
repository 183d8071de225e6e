"""`python -m starlink_drivers NAME`: runs a driver as the agent's environment tells it to."""

import asyncio
import importlib
import os
import sys

from starlink_drivers.session import Session


def main() -> int:
    """The driver's exit status."""
    (name,) = sys.argv[1:]
    driver = importlib.import_module(f"starlink_drivers.{name.replace('-', '_')}.driver")
    return asyncio.run(_run(driver.OPERATIONS))


async def _run(operations: dict[str, type]) -> int:
    session = Session(os.environ)
    session.listen()
    return await session.obey(operations)


if __name__ == "__main__":
    sys.exit(main())
