"""What runtimes share whose runs are processes under a supervisor of the agent's."""
