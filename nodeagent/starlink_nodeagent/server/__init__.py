"""This server as the API knows it: its Server, Lease and token, what is declared for it, and where it is reached.

Talks to the API, and knows no instance.
"""
