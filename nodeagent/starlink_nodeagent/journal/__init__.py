"""What the agent remembers of each instance, on the disk. Knows records, and not what they lead to."""
