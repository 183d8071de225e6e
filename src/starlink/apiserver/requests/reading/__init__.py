"""Requests that look: get, list and watch, and the forms in which objects are shown."""
