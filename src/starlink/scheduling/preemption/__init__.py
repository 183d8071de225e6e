"""Who makes room for whom: the lowest priorities, the fewest of them, and quota that a pool may have back."""
