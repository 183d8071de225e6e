"""Typed, frozen views of StarLink's resources and the pure functions on them.

Knows the API's words: kinds, fields, defaults, quantities, durations, conditions, names, labels and refusals.
Imports nothing of StarLink, does no I/O, and knows no clock and no randomness. Views are for
reading: they drop fields that they do not know, so writes are made as patches, never from a view.
"""
