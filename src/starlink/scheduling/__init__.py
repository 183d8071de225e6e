"""Where instances go: the fleet as arrays, filtered, scored, placed, and explained where nothing fits.

Pure: a fleet and an ask go in, placements or a refusal with its reasons come out. Knows nothing of
tasks and plans, and imports nothing of StarLink. Every server is looked at, none is sampled.
"""
