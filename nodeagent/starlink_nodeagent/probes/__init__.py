"""Probes of instances: one try, and what follows from many."""
