"""Drivers: programs of StarLink's own that the agent runs for the operator, each in a package with a `driver.json`.

The agent reads `driver.json` and imports nothing of this package. A driver is `python -m starlink_drivers NAME`; it
observes before it acts, may be killed at any moment and run again, and cleans up what its killed self left.
"""
