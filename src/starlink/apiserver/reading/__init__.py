"""Requests that look: get, list, watch, selectors, tables."""
