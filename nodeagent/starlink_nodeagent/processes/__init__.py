"""What runs on this machine, as /proc tells of it, and what binds what the agent starts. Knows no instance."""
