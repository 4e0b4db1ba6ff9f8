"""How fast and how cheap enigap is, beside what else could be used: `make bench`. README.md says how."""
