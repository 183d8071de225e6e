"""What the server does by itself: garbage collection, certificates, aggregated roles, and what ends with time."""
