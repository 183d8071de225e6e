"""StarLink: a declarative orchestrator for unlike servers.

The library's layers, top to bottom, each importing only what stands below it:
cli, apiserver, store, artifacts, client, engine, planning | scheduling, api.
"""

from importlib.metadata import version

__version__ = version("starlink-orchestrator")
