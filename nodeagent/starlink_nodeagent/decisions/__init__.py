"""What is to be done with what is declared and held. Pure: no I/O, clock or randomness."""
