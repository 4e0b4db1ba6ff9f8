"""One program for each contender. It runs in a process of its own and prints its result as JSON."""
