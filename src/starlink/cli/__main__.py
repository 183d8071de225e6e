"""`python -m starlink.cli`, the same as `starlink`."""

from starlink.cli.main import main

main()
