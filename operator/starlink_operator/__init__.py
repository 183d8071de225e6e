"""The operator: the thin edge around the engine. Observe → engine → apply.

kopf brings the events of the kinds that are few; caches follow those that are many; controllers, one or more kinds
each, say what to look at and ask the engine, and the reconciler applies their plans. Decides nothing itself, keeps
nothing that is not in the API, and writes only while it holds the leadership.
"""
