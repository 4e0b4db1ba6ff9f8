"""One program for each contender: it runs in a process of its own, and prints what it has to say as JSON."""
