"""As whom tasks run: users' numbers, who has which, and the end of all that runs as one."""
