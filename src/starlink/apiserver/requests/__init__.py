"""Requests and their answers: routes, bodies and options, who may ask, and what is written down of it."""
