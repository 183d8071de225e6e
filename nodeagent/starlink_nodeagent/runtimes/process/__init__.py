"""The runtime Process: a process under a small supervisor that outlives the agent."""
