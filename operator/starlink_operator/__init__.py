"""The operator: the thin edge around the engine. Observe → engine → apply.

kopf brings the events of the kinds that are few, and caches of ours follow those that are many. Controllers, of one
kind or more each, say what to look at and ask the engine; the reconciler applies their plans. Decides nothing itself,
keeps nothing that is not in the API, and writes only while it holds the leadership.
"""
