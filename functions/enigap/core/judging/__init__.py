"""From one node's readings to a verdict with its reason, and from nodes to a cluster's report."""
