"""Files that strangers can touch, and files that outlive a power cut.

Knows the operating system alone, and imports nothing else of StarLink. What a stranger owns a part of is never reached
by a path of several steps: each step is a descriptor, and no link is followed.
"""
