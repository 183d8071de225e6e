"""The operator: the thin edge around the engine. Observe → engine → apply.

kopf handlers say which of the user's objects to look at; caches hold the many small ones; the reconciler makes a
World of them, asks the engine, and applies the plans it gets. Decides nothing itself, keeps nothing that is not in
the API, and writes only while it holds the leadership.
"""
