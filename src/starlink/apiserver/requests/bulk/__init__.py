"""Many writes of Assignments in one request, each as it would be alone.

Reads what is asked for and puts the answers together. Knows nothing of how a write is done: each becomes a request like
any other, which goes the way of all requests.
"""
