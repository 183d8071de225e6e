"""HTTP/1.1 and TLS, with limits and fairness, for servers and clients.

Knows requests, answers, users and accounts, and not what is asked for.
"""
