"""What follows: pure functions over schemas. No I/O, clock, random, logging or environment."""
