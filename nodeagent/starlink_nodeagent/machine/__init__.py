"""What this machine is and has, read from /proc, /sys and /etc. Asks nobody, and knows nothing of instances."""
