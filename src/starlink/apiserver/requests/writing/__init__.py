"""Requests that change something, and the kinds of patches."""
