"""Decisions, as pure functions: what is declared and what is observed go in, a plan comes out.

A module a kind. Knows the API's views and the words of a plan; imports nothing of StarLink but
`starlink.api`. Does no I/O, reads no clock, draws no randomness: `World.now` and `World.silence`
carry the time. Every decision carries its reason, a refusal to act too.
"""
