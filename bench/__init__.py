"""The benchmark, `make bench`: time and cost of enigap and of the alternatives. See README.md here."""
