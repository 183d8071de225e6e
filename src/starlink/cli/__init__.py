"""The `starlink` command, a file a subcommand, and the launcher of a standalone StarLink.

Speaks the Kubernetes API like everybody else; decides nothing about where anything runs.
"""
