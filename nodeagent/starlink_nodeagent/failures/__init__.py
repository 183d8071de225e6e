"""Why an instance can't go on, or not yet. Pure."""
