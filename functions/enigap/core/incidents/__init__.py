"""What persists over windows: incidents, the decision what to say about them, and the state between runs."""
