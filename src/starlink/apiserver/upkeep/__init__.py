"""What the server does by itself: garbage collection, namespaces that end, events that expire."""
