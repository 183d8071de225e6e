"""Fetched archives: how many come at once, and which are kept."""
