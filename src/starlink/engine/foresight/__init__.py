"""What would come of a change: the rounds of a world that is only thought of."""
