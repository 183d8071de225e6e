"""The runtime Driver: programs of StarLink's own, which run with the agent's rights and say what they have found."""
