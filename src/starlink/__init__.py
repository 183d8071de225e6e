"""StarLink: a declarative orchestrator for unlike servers.

The library's layers, top to bottom, each importing only what stands below it:
cli, apiserver, store, artifacts, client, engine, planning | scheduling, api.
"""

__version__ = "0.1.0"
