"""Logs of instances: files that tasks write to and the agent keeps within their size."""
