"""How one node's bytes are counted, and what the readings of a window say about them."""
