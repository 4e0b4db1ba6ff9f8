"""The command line: the same core and adapters as the deployed functions, from a desk."""
