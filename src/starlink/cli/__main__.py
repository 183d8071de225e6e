"""The console script, also as `python -m starlink.cli`."""

# ruff: noqa: E402 - what comes first holds while the rest is imported
from starlink import collector

collector.rest()

from starlink.interrupts import end_silently

end_silently()

from starlink.cli.main import main

if __name__ == "__main__":
    main()
