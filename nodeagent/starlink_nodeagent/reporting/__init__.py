"""What the agent says of its instances: statuses and Events. Reads records, and changes none but their generation."""
