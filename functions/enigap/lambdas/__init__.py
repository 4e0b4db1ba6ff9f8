"""What runs in AWS: wiring, and nothing else."""
