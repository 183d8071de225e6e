"""How instances run: one protocol, and a package for each runtime behind it.

Journal, capacity, adoption, logs, restarts and stops are the agent's, and the same for all.
"""
