"""What is served, as clients discover it: groups, resources and their schemas."""
