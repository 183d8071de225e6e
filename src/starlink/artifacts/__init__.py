"""Artifacts: fetched, verified and unpacked, with limits on all that a stranger can send.

The only layer that opens packages. Runs nothing of what it unpacked.
"""
